/*
 * The Jenkins step: passes its arguments to buildferry on the agent, and its outputs back to the pipeline.
 *
 *     echo buildferry(service: 'app-distribution', serviceUrl: 'https://dist.example.com', phaseId: 7,
 *                     artifacts: 'out/*.ipa', apiTokenCredentialsId: 'dist-token').buildId
 *
 * The program on the agent does everything else; buildferry.txt beside this file is the user's help.
 * Code under @NonCPS calls no step, values kept across a step are serializable, and all passes the Groovy sandbox.
 */
import com.cloudbees.groovy.cps.NonCPS
import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import groovy.transform.Field

// made: arguments
@Field final String PACKAGE = 'buildferry @ https://github.com/OWNER/buildferry/releases/download/v1.0.0/buildferry-1.0.0-py3-none-any.whl'
@Field final Map ARGUMENTS = [
    service: [input: 'service'], operation: [input: 'operation'], serviceUrl: [input: 'service-url'],
    apiToken: [input: 'api-token', secret: true], username: [input: 'username'],
    password: [input: 'password', secret: true], artifacts: [input: 'artifacts', list: true],
    appCheck: [input: 'app-check'], buildId: [input: 'build-id', list: true], name: [input: 'name'],
    description: [input: 'description'], commit: [input: 'commit'], commitTimestamp: [input: 'commit-timestamp'],
    branch: [input: 'branch'], tag: [input: 'tag'], pullRequestId: [input: 'pull-request-id'],
    runUrl: [input: 'run-url'], phaseId: [input: 'phase-id'], project: [input: 'project'],
    buildType: [input: 'build-type'], uploadContextId: [input: 'upload-context-id'], appId: [input: 'app-id'],
    workflow: [input: 'workflow', list: true], pipeline: [input: 'pipeline'], message: [input: 'message'],
    environment: [input: 'environment', list: true], secrets: [input: 'secrets', secret: true, list: true],
    priority: [input: 'priority'], stack: [input: 'stack'], machineType: [input: 'machine-type'],
    skipGitStatus: [input: 'skip-git-status'], reattach: [input: 'reattach'], wait: [input: 'wait'],
    timeout: [input: 'timeout'], pollInterval: [input: 'poll-interval'], failFast: [input: 'fail-fast'],
    abortOnCancel: [input: 'abort-on-cancel'], log: [input: 'log'], logFile: [input: 'log-file'],
    reason: [input: 'reason'], abortWithSuccess: [input: 'abort-with-success'],
    skipNotifications: [input: 'skip-notifications'], partial: [input: 'partial'], strict: [input: 'strict'],
    match: [input: 'match', list: true], outputDirectory: [input: 'output-directory'], overwrite: [input: 'overwrite'],
    artifactId: [input: 'artifact-id'], publicPage: [input: 'public-page'], status: [input: 'status'],
    triggerEventType: [input: 'trigger-event-type'], after: [input: 'after'], before: [input: 'before'],
    limit: [input: 'limit'], workspace: [input: 'workspace'], appPackage: [input: 'app-package'],
    artifactType: [input: 'artifact-type'], artifactSource: [input: 'artifact-source'],
    appVersion: [input: 'app-version'], search: [input: 'search'], distributionReady: [input: 'distribution-ready'],
    storeSigned: [input: 'store-signed'], whatToTest: [input: 'what-to-test'], accessLink: [input: 'access-link'],
    accessCode: [input: 'access-code', secret: true], accessExpires: [input: 'access-expires'],
    testerGroups: [input: 'tester-groups', list: true], testerType: [input: 'tester-type'],
    testers: [input: 'testers', list: true], autoNotify: [input: 'auto-notify'], deployment: [input: 'deployment'],
    targetDeployment: [input: 'target-deployment'], bundle: [input: 'bundle'], mandatory: [input: 'mandatory'],
    disabled: [input: 'disabled'], rollout: [input: 'rollout'], title: [input: 'title'],
    repository: [input: 'repository'], data: [input: 'data'], icon: [input: 'icon'],
    platforms: [input: 'platforms', list: true], platform: [input: 'platform'], profileFile: [input: 'profile-file'],
    certificateFile: [input: 'certificate-file'], keystoreFile: [input: 'keystore-file'],
    keyAlias: [input: 'key-alias'], keyPassword: [input: 'key-password', secret: true],
    keystorePassword: [input: 'keystore-password', secret: true], cskFile: [input: 'csk-file'],
    dbFile: [input: 'db-file'], parallel: [input: 'parallel'], receipt: [input: 'receipt'],
    stallTimeout: [input: 'stall-timeout'], heartbeat: [input: 'heartbeat'], onDoubt: [input: 'on-doubt'],
    onOutage: [input: 'on-outage'], caBundle: [input: 'ca-bundle'], clientCertificate: [input: 'client-certificate'],
    allowHttp: [input: 'allow-http'], qrFile: [input: 'qr-file'], notifyUrl: [input: 'notify-url', secret: true],
    notifyFormat: [input: 'notify-format'], commentToken: [input: 'comment-token', secret: true],
    commentName: [input: 'comment-name'], outputPrefix: [input: 'output-prefix'], dryRun: [input: 'dry-run'],
    verbose: [input: 'verbose'],
]
// end of made

/**
 * Run one operation. Returns the outputs, keys in camelCase: buildId, buildIds (a list), result (a map) and so on.
 * Fails when an argument is wrong and when buildferry exits with anything but 0. Later errors, while the outputs are
 * fetched and the folder is removed, are logged and never hide why the step ended.
 */
def call(Object given = [:]) {
    if (!(given instanceof Map)) {
        error("buildferry: name the arguments, as in buildferry(service: 'app-distribution', phaseId: 7)")
    }
    Map arguments = named(given)
    List<String> problems = problemsOf(arguments)
    if (problems) {
        error('buildferry: nothing was run\n' + problems.join('\n'))
    }
    if (!isUnix()) {
        error('buildferry: this step needs a Unix agent. On Windows install the command buildferry, '
            + "set the inputs as PLUGIN_* in environment {} and call bat 'buildferry run'.")
    }
    // A new folder outside the workspace: branches that run in parallel may share a workspace.
    String folder = pwd(tmp: true) + '/buildferry-' + UUID.randomUUID()
    Integer status = null
    Map outputs = [:]
    Exception cause = null
    try {
        for (String name in ['launch.sh', 'prepare.py', 'packages.py', 'load.py', 'requirements.txt']) {
            String text = libraryResource(resource: 'buildferry/' + name, encoding: 'UTF-8')
            writeFile(file: folder + '/' + name, text: text, encoding: 'UTF-8')
        }
        status = start(variablesFrom(arguments, folder), secretsFrom(arguments))
    } catch (Exception first) {
        cause = first
    }
    try { // also after an abort: a build that exists by then goes into the description
        outputs = outputsIn(folder)
        describe(outputs)
    } catch (Exception later) {
        cause = weighed(cause, later)
    }
    try {
        dir(folder) { deleteDir() }
    } catch (Exception later) {
        cause = weighed(cause, later)
    }
    if (cause != null) {
        throw cause
    }
    return judged(status, outputs)
}

/** The exception to throw at the end: the first cause, else only an abort. Everything else is logged. */
private Exception weighed(Exception first, Exception later) {
    echo('buildferry: could not fetch the outputs and clean up: ' + later.getMessage())
    return first ?: later instanceof InterruptedException ? later : null
}

/** The outputs, if they and the exit code mean success. */
private Map judged(Integer status, Map outputs) {
    if (status != 0) {
        error('buildferry: ' + (outputs.error ?: 'see the log above') + ' (exit ' + status + ')')
    }
    if (!outputs) {
        error('buildferry: it exited with 0, but this agent cannot read its outputs. The log shows what was done. '
            + 'In a container that runs as another user, a umask such as 022 lets the agent read them.')
    }
    if (outputs.error) { // and exit code 0: an outage, and onOutage is warn
        unstable('buildferry: ' + outputs.error)
    }
    return outputs
}

/** Start the program on the agent; returns its exit code. Secrets only through withCredentials, the rest by withEnv. */
private Integer start(List<String> variables, List<Map> secrets) {
    List bindings = []
    for (Map secret in secrets) {
        bindings.add(string(credentialsId: secret.id, variable: secret.variable))
    }
    if (!bindings) { // no documentation promises masking for an empty list
        return withEnv(variables) { launch() }
    }
    return withEnv(variables) { withCredentials(bindings) { launch() } }
}

/**
 * The only script that runs. `exec`, because the SIGTERM of an abort must reach Python itself. Its standard output
 * repeats the outputs, which are in the file.
 */
private Integer launch() {
    return sh(label: 'buildferry', returnStatus: true, encoding: 'UTF-8', script: '''set +x
if command -v buildferry >/dev/null 2>&1; then
    exec buildferry run >/dev/null
fi
exec sh "$BUILDFERRY_LAUNCHER" run >/dev/null
''')
}

/** What the program wrote, or nothing. */
private Map outputsIn(String folder) {
    String file = folder + '/outputs.json'
    return fileExists(file) ? parse(readFile(file: file, encoding: 'UTF-8')) ?: [:] : [:]
}

/** Add a line with the build and its link to the description, once. */
private void describe(Map outputs) {
    String line = lineFor(outputs)
    String before = currentBuild.description ?: ''
    if (line && !('\n' + before + '\n').contains('\n' + line + '\n')) {
        currentBuild.description = before ? before + '\n' + line : line
    }
}

/** The line for the description. It has a service's text, and some Jenkins show it as HTML: no markup, and short. */
@NonCPS
private String lineFor(Map outputs) {
    if (!outputs.buildId) {
        return ''
    }
    int others = outputs.buildIds ? outputs.buildIds.size() - 1 : 0
    String line = 'buildferry: build ' + outputs.buildId + (others > 0 ? ' and ' + others + ' more' : '')
    line += outputs.buildUrl ? ' ' + outputs.buildUrl : ''
    line += outputs.installUrl ? ', install: ' + outputs.installUrl : ''
    line = line.replaceAll('[\\s<>"\']+', ' ').trim()
    return line.substring(0, Math.min(line.length(), 300))
}

/** The arguments by their names as texts: a key may be a GString, or an input's own name, such as 'phase-id'. */
@NonCPS
private Map named(Map given) {
    Map arguments = [:]
    given.each { key, value -> arguments.put(camelCase(key.toString()), value) }
    return arguments
}

/** What is wrong with the values, one sentence each. None is quoted: it may be a secret. */
@NonCPS
private List<String> problemsOf(Map arguments) {
    List<String> problems = []
    for (String name in arguments.keySet()) {
        Map argument = ARGUMENTS[name] ?: [:]
        String problem = problemOf(arguments[name], argument.list == true)
        if (argument.secret) {
            problems.add(name + ': a secret is not accepted as text. Keep it in Jenkins as a "Secret text" credential '
                + 'and pass the id of that credential as ' + spelling(name))
        } else if (problem) {
            problems.add(name + ': ' + problem)
        }
    }
    return problems
}

/** The names that are not arguments, one a line: the program suggests the ones that were meant. */
@NonCPS
private String unknownOf(Map arguments) {
    List<String> known = ['package'] + ARGUMENTS.keySet().collect { spelling(it) }
    return arguments.keySet().findAll { !known.contains(it) }.join('\n')
}

@NonCPS
private String problemOf(Object value, boolean list) {
    if (value == null || isText(value)) {
        return ''
    }
    if (!(value instanceof Collection || value instanceof Object[])) {
        return 'a ' + value.getClass().getSimpleName() + ' is not supported; pass text, a number, true or false'
    }
    if (!list) {
        return 'accepts one value, not a list'
    }
    for (Object item in value) {
        if (!isText(item)) {
            return 'each item of the list must be text or a number'
        }
    }
    return ''
}

/** How an input is written as an argument. */
@NonCPS
private String spelling(String name) {
    return ARGUMENTS[name].secret ? name + 'CredentialsId' : name
}

@NonCPS
private boolean isText(Object value) {
    return value instanceof CharSequence || value instanceof Number || value instanceof Boolean
}

/**
 * The environment of the program, except secrets: `NAME=value` each. Without a value Jenkins unsets the variable: a
 * PLUGIN_DRY_RUN of the job's own must not change the step.
 */
@NonCPS
private List<String> variablesFrom(Map arguments, String folder) {
    List<String> variables = [
        'PLUGIN_HOST=jenkins',
        'PLUGIN_OUTPUT_FILE=' + folder + '/outputs.json',
        'BUILDFERRY_LAUNCHER=' + folder + '/launch.sh',
        'BUILDFERRY_REQUIREMENTS=' + folder + '/requirements.txt',
        'BUILDFERRY_PACKAGE=' + (arguments['package'] ?: PACKAGE),
        'BUILDFERRY_UNKNOWN_ARGUMENTS=' + unknownOf(arguments),
    ]
    for (String name in ARGUMENTS.keySet()) {
        Object value = arguments[name]
        if (!ARGUMENTS[name].secret) {
            variables.add(variableOf(name) + '=' + (value == null ? '' : isText(value) ? value : jsonOf(value)))
        }
    }
    return variables
}

/** A list as JSON, so that an item may have several lines. */
@NonCPS
private String jsonOf(Object items) {
    return '[' + items.collect { JsonOutput.toJson(it.toString()) }.join(', ') + ']'
}

/** Each requested secret: its variable, and the id of its credential. */
@NonCPS
private List<Map> secretsFrom(Map arguments) {
    List<Map> secrets = []
    for (String name in ARGUMENTS.keySet()) {
        Object id = arguments[name + 'CredentialsId']
        if (ARGUMENTS[name].secret && id != null) {
            secrets.add([variable: variableOf(name), id: id.toString()])
        }
    }
    return secrets
}

@NonCPS
private String variableOf(String name) {
    return 'PLUGIN_' + ARGUMENTS[name].input.toUpperCase(Locale.ENGLISH).replace('-', '_')
}

/** The outputs. JsonSlurper's own maps cannot be serialized, so plain copies leave this method. */
@NonCPS
private Map parse(String text) {
    return plain(new JsonSlurper().parseText(text))
}

@NonCPS
private Object plain(Object value) {
    if (value instanceof Map) {
        return value.collectEntries { key, item -> [(camelCase(key)): plain(item)] }
    }
    return value instanceof List ? value.collect { plain(it) } : value
}

@NonCPS
private String camelCase(String name) {
    String joined = ''
    for (String word in name.split('-')) {
        joined += joined && word ? word.substring(0, 1).toUpperCase(Locale.ENGLISH) + word.substring(1) : word
    }
    return joined
}
