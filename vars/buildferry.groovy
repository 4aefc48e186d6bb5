/*
 * The Jenkins step: hands its arguments to buildferry on the agent, and its outputs back to the pipeline.
 *
 *     def r = buildferry(service: 'app-distribution', serviceUrl: 'https://dist.example.com', phaseId: 7,
 *                        artifacts: 'out/*.ipa', apiTokenCredentialsId: 'dist-token')
 *     echo r.buildId
 *
 * The program on the agent does everything else; buildferry.txt beside this file is the user's help.
 * Code under @NonCPS calls no step, values that live across a step are serializable, and all passes the Groovy sandbox.
 */
import com.cloudbees.groovy.cps.NonCPS
import groovy.json.JsonSlurper
import groovy.transform.Field

// made: arguments
@Field final String PACKAGE = 'buildferry==1.0.0'
@Field final Map ARGUMENTS = [
    service: [input: 'service'], operation: [input: 'operation'], serviceUrl: [input: 'service-url'],
    apiToken: [input: 'api-token', secret: true], username: [input: 'username'],
    password: [input: 'password', secret: true], artifacts: [input: 'artifacts', list: true],
    buildId: [input: 'build-id', list: true], name: [input: 'name'], description: [input: 'description'],
    commit: [input: 'commit'], commitTimestamp: [input: 'commit-timestamp'], branch: [input: 'branch'],
    tag: [input: 'tag'], pullRequestId: [input: 'pull-request-id'], runUrl: [input: 'run-url'],
    phaseId: [input: 'phase-id'], project: [input: 'project'], buildType: [input: 'build-type'],
    uploadContextId: [input: 'upload-context-id'], appId: [input: 'app-id'], workflow: [input: 'workflow', list: true],
    pipeline: [input: 'pipeline'], message: [input: 'message'], environment: [input: 'environment', list: true],
    reattach: [input: 'reattach'], wait: [input: 'wait'], timeout: [input: 'timeout'],
    pollInterval: [input: 'poll-interval'], failFast: [input: 'fail-fast'], abortOnCancel: [input: 'abort-on-cancel'],
    log: [input: 'log'], logFile: [input: 'log-file'], reason: [input: 'reason'],
    abortWithSuccess: [input: 'abort-with-success'], skipNotifications: [input: 'skip-notifications'],
    strict: [input: 'strict'], match: [input: 'match', list: true], outputDirectory: [input: 'output-directory'],
    artifactId: [input: 'artifact-id'], publicPage: [input: 'public-page'], status: [input: 'status'],
    triggerEventType: [input: 'trigger-event-type'], after: [input: 'after'], before: [input: 'before'],
    limit: [input: 'limit'], title: [input: 'title'], repository: [input: 'repository'], data: [input: 'data'],
    icon: [input: 'icon'], platforms: [input: 'platforms', list: true], platform: [input: 'platform'],
    profileFile: [input: 'profile-file'], certificateFile: [input: 'certificate-file'],
    keystoreFile: [input: 'keystore-file'], keyAlias: [input: 'key-alias'],
    keyPassword: [input: 'key-password', secret: true], keystorePassword: [input: 'keystore-password', secret: true],
    cskFile: [input: 'csk-file'], dbFile: [input: 'db-file'], parallel: [input: 'parallel'],
    receipt: [input: 'receipt'], stallTimeout: [input: 'stall-timeout'], onDoubt: [input: 'on-doubt'],
    onOutage: [input: 'on-outage'], caBundle: [input: 'ca-bundle'], clientCertificate: [input: 'client-certificate'],
    allowHttp: [input: 'allow-http'], dryRun: [input: 'dry-run'], verbose: [input: 'verbose'],
]
// end of made

/**
 * Run one operation. Returns the outputs, keys in camelCase: buildId, buildIds (a list), result (a map) and so on; a dry
 * run has none.
 * Fails when an argument is wrong (before anything runs) and when buildferry exits with anything but 0.
 */
def call(Map arguments = [:]) {
    List<String> problems = problemsOf(arguments)
    if (problems) {
        error('buildferry: nothing was run\n' + problems.join('\n'))
    }
    if (!isUnix()) {
        error('buildferry: this step needs a Unix agent. On Windows install the package buildferry with pip, '
            + "put the inputs as PLUGIN_* into environment {} and call bat 'buildferry run'.")
    }
    // A folder of its own, outside the workspace: branches that run in parallel may share a workspace.
    String folder = pwd(tmp: true) + '/buildferry-' + UUID.randomUUID()
    Integer status = null
    Map outputs = [:]
    try {
        for (String name in ['launch.sh', 'requirements.txt']) {
            String text = libraryResource(resource: 'buildferry/' + name, encoding: 'UTF-8')
            writeFile(file: folder + '/' + name, text: text, encoding: 'UTF-8')
        }
        status = start(variablesFrom(arguments, folder), secretsFrom(arguments))
    } finally {
        outputs = takeOutputs(folder) // after an abort too: the build that exists by then goes into the description
        describe(outputs)
    }
    if (status != 0) {
        error('buildferry: ' + (outputs.error ?: 'it left no message, see the log above') + ' (exit ' + status + ')')
    }
    return outputs
}

/** Start the program on the agent; returns its exit code. Secrets go by withCredentials alone, all else by withEnv. */
private Integer start(List<String> variables, List<Map> secrets) {
    List bindings = []
    for (Map secret in secrets) {
        bindings.add(string(credentialsId: secret.id, variable: secret.variable))
    }
    if (!bindings) { // the masking of an empty list is nobody's contract
        return withEnv(variables) { launch() }
    }
    return withEnv(variables) { withCredentials(bindings) { launch() } }
}

/**
 * The one script that is ever run. `exec`, because the SIGTERM of an abort must reach Python itself; its standard output
 * is the outputs once more, which the file has.
 */
private Integer launch() {
    return sh(label: 'buildferry', returnStatus: true, encoding: 'UTF-8', script: '''set +x
if command -v buildferry >/dev/null 2>&1; then
    exec buildferry run >/dev/null
fi
exec sh "$BUILDFERRY_LAUNCHER" run >/dev/null
''')
}

/** Read what the program wrote and remove the folder. An agent that went away must not hide why the step ended. */
private Map takeOutputs(String folder) {
    Map outputs = [:]
    try {
        if (fileExists(folder + '/outputs.json')) {
            outputs = parse(readFile(file: folder + '/outputs.json', encoding: 'UTF-8'))
        }
        dir(folder) { deleteDir() }
    } catch (IOException problem) {
        echo('buildferry: could not read and remove ' + folder + ': ' + problem.getMessage())
    }
    return outputs
}

/** Add a line with the build and its link to the description, once. */
private void describe(Map outputs) {
    String line = lineFor(outputs)
    String before = currentBuild.description ?: ''
    if (line && !('\n' + before + '\n').contains('\n' + line + '\n')) {
        currentBuild.description = before ? before + '\n' + line : line
    }
}

/** The line for the description. A service chose its words, and some Jenkins show it as HTML: no markup, and short. */
@NonCPS
private String lineFor(Map outputs) {
    if (!outputs.buildId) {
        return ''
    }
    int others = outputs.buildIds ? outputs.buildIds.size() - 1 : 0
    String line = 'buildferry: build ' + outputs.buildId + (others > 0 ? ' and ' + others + ' more' : '')
    line += outputs.buildUrl ? ' ' + outputs.buildUrl : ''
    line = line.replaceAll('[\\s<>"\']+', ' ').trim()
    return line.substring(0, Math.min(line.length(), 300))
}

/** Everything that is wrong with the arguments, one sentence each. No value is quoted: it may be a secret. */
@NonCPS
private List<String> problemsOf(Map arguments) {
    List<String> allowed = ['package']
    for (String name in ARGUMENTS.keySet()) {
        allowed.add(spelling(name))
    }
    List<String> problems = []
    boolean unknown = false
    for (Object key in arguments.keySet()) {
        String name = key.toString()
        Map argument = ARGUMENTS[name] ?: [:]
        String problem = problemOf(arguments[key], argument.list == true)
        if (argument.secret) {
            problems.add(name + ': a secret is not taken as text. Keep it in Jenkins as a "Secret text" credential '
                + 'and give the id of that credential as ' + spelling(name))
        } else if (!allowed.contains(name)) {
            String near = nearest(name)
            problems.add(name + ': there is no such argument' + (near ? '; did you mean ' + near + '?' : ''))
            unknown = true
        } else if (problem) {
            problems.add(name + ': ' + problem)
        }
    }
    if (unknown) {
        problems.add('The arguments are: ' + allowed.join(', '))
    }
    return problems
}

@NonCPS
private String problemOf(Object value, boolean list) {
    if (value == null || isText(value)) {
        return ''
    }
    if (!(value instanceof Collection || value instanceof Object[])) {
        return 'a ' + value.getClass().getSimpleName() + ' cannot be handed over; give text, a number, true or false'
    }
    if (!list) {
        return 'takes one value, not a list'
    }
    for (Object item in value) {
        if (!isText(item) || item.toString().contains('\n')) {
            return 'each item of the list must be text or a number, without line breaks'
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

/** The environment of the program, but for the secrets: `NAME=value` each. */
@NonCPS
private List<String> variablesFrom(Map arguments, String folder) {
    List<String> variables = [
        'PLUGIN_HOST=jenkins',
        'PLUGIN_OUTPUT_FILE=' + folder + '/outputs.json',
        'BUILDFERRY_LAUNCHER=' + folder + '/launch.sh',
        'BUILDFERRY_REQUIREMENTS=' + folder + '/requirements.txt',
        'BUILDFERRY_PACKAGE=' + (arguments['package'] ?: PACKAGE),
    ]
    for (String name in ARGUMENTS.keySet()) {
        Object value = arguments[name]
        if (value != null) {
            variables.add(variableOf(name) + '=' + (isText(value) ? value : value.join('\n')))
        }
    }
    return variables
}

/** Each secret that was asked for: the variable it goes to, and the id of its credential. */
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

/** The argument whose name differs least from `word`, if three letters of five agree. Case and punctuation don't count. */
@NonCPS
private String nearest(String word) {
    String letters = word.toLowerCase(Locale.ENGLISH).replaceAll('[^a-z0-9]', '')
    String found = ''
    int fewest = Integer.MAX_VALUE
    for (String name in ARGUMENTS.keySet()) {
        for (String spelled in [name, spelling(name)]) {
            int differing = distance(letters, spelled.toLowerCase(Locale.ENGLISH))
            if (differing < fewest && differing * 5 <= 2 * Math.max(letters.length(), spelled.length())) {
                found = spelling(name)
                fewest = differing
            }
        }
    }
    return found
}

/** How many letters to change, add or drop to get from `one` to `other` (Levenshtein). */
@NonCPS
private int distance(String one, String other) {
    List<Integer> above = []
    for (int column = 0; column <= other.length(); column++) {
        above.add(column)
    }
    for (int row = 1; row <= one.length(); row++) {
        List<Integer> current = [row]
        for (int column = 1; column <= other.length(); column++) {
            int changed = above.get(column - 1) + (one.charAt(row - 1) == other.charAt(column - 1) ? 0 : 1)
            current.add(Math.min(changed, Math.min(above.get(column), current.get(column - 1)) + 1))
        }
        above = current
    }
    return above.get(other.length())
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
