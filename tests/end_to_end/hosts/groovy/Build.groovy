import hudson.AbortException
import org.jenkinsci.plugins.workflow.steps.FlowInterruptedException

/** One build on one agent: the steps of Jenkins that a pipeline may call, working on real files and real processes. */
class Build {
    final Map scenario
    final Map currentBuild
    final List calls = []       // [step, its arguments as text], in order
    final StringBuilder log = new StringBuilder()     // as Jenkins shows it: bound secrets masked
    final StringBuilder rawLog = new StringBuilder()  // as the processes wrote it
    final List signalled = []   // the command lines that the abort sent SIGTERM to, in order
    final List exits = []       // of each sh
    def library                 // the script of vars/, which the pipeline calls by the name buildferry

    private Map environment
    private File folder
    private List masks = []

    Build(Map scenario) {
        this.scenario = scenario
        currentBuild = [description: scenario.description]
        environment = new LinkedHashMap(scenario.environment)
        folder = new File(scenario.workspace)
    }

    private final Map<String, Closure> steps = [
        buildferry: { Object[] arguments -> library.call(*arguments) },
        error: { String message -> throw new AbortException(message) },
        echo: { Object message -> write(message + '\n') },
        catchError: { Map options, Closure body ->
            assert options == [buildResult: null, stageResult: 'UNSTABLE'] // the build's result stays as it is
            try { body() } catch (Exception caught) { write('ERROR: ' + caught.message + '\n') }
        },
        unstable: { String message -> write(message + '\n') },
        isUnix: { -> scenario.unix },
        pwd: { Map options = [:] -> options.tmp ? folder.path + '@tmp' : folder.path },
        libraryResource: { Map options -> new File(scenario.resources, options.resource).getText(options.encoding) },
        fileExists: { String path -> locate(path).exists() },
        readFile: { Map options -> locate(options.file).getText(options.encoding) },
        writeFile: { Map options ->
            locate(options.file).parentFile.mkdirs()
            locate(options.file).setText(options.text, options.encoding)
        },
        dir: { String path, Closure body ->
            File before = folder
            folder = locate(path)
            try { body() } finally { folder = before }
        },
        deleteDir: { -> if (!folder.deleteDir()) { throw new IOException('could not delete ' + folder) } },
        string: { Map options -> [symbol: 'string'] + options },
        withEnv: { List variables, Closure body -> within(variables.collectEntries { prepended(pair(it)) }, [], body) },
        withCredentials: { List bindings, Closure body ->
            assert bindings && bindings.every { it.symbol == 'string' }
            Map secrets = bindings.collectEntries { [(it.variable): secret(it.credentialsId)] }
            within(secrets, secrets.values() as List, body)
        },
        sh: { Map options -> sh(options) },
    ]

    Object step(String name, List arguments) {
        if (!steps.containsKey(name)) {
            throw new NoSuchMethodError('No such DSL method ' + name)
        }
        if (name != 'buildferry') {
            calls.add([name, arguments.findAll { !(it instanceof Closure) }.toString()])
        }
        if (scenario.failing[name] && calls.any { it[0] == 'sh' }) {
            String why = scenario.failing[name]
            throw why == 'abort' ? new FlowInterruptedException() : new IllegalStateException(why)
        }
        return steps[name].call(*arguments)
    }

    private File locate(String path) {
        return new File(path).absolute ? new File(path) : new File(folder, path)
    }

    private static Map pair(Object variable) {
        assert variable instanceof CharSequence
        int split = variable.toString().indexOf('=')
        assert split > 0
        return [(variable.substring(0, split)): variable.substring(split + 1)]
    }

    /** PATH+ANYTHING=folder puts a folder in front of PATH. */
    private Map prepended(Map variable) {
        return variable.collectEntries { name, value ->
            String before = name.tokenize('+')[0]
            before == name ? [(name): value] : [(before): value + ':' + environment[before]]
        }
    }

    private String secret(String id) {
        if (!scenario.credentials.containsKey(id)) {
            throw new AbortException("Could not find credentials entry with ID '${id}'")
        }
        return scenario.credentials[id]
    }

    /** Run a block with more variables; as in Jenkins an empty one removes the variable. */
    private Object within(Map variables, List secrets, Closure body) {
        List before = [environment, masks]
        environment = (environment + variables).findAll { it.value != '' }
        masks = masks + secrets
        try {
            return body()
        } finally {
            (environment, masks) = before
        }
    }

    private void write(String text) {
        rawLog.append(text)
        log.append(masks.inject(text) { shown, mask -> shown.replace(mask, '****') })
    }

    /** The step `sh` the way the durable-task plugin does it: a detached wrapper, whose result file is waited for. */
    private Integer sh(Map options) {
        assert options.returnStatus && !options.returnStdout
        String cookie = 'durable-' + UUID.randomUUID()
        File control = new File(folder.path + '@tmp', cookie)
        control.mkdirs()
        List<File> files = ['script.sh', 'jenkins-log.txt', 'jenkins-result.txt'].collect { new File(control, it) }
        def (script, output, result) = files
        script.setText(options.script, 'UTF-8')
        String wrapped = "jsc=${cookie}; JENKINS_SERVER_COOKIE=\$jsc sh -xe '${script}' > '${output}' 2>&1; " +
            "echo \$? > '${result}.part'; mv '${result}.part' '${result}'"
        ProcessBuilder builder = new ProcessBuilder(['nohup', 'sh', '-c', "( ${wrapped} ) >&- 2>&- &".toString()])
        builder.environment().clear()
        builder.environment().putAll(environment + [JENKINS_SERVER_COOKIE: 'please-do-not-kill-me'])
        builder.directory(folder).redirectErrorStream(true).redirectOutput(new File(control, 'wrapper.txt'))
        builder.start().waitFor()
        boolean aborted = waitForResult(result, cookie)
        write(output.getText('UTF-8'))
        exits.add(result.text.trim() as Integer)
        control.deleteDir()
        if (aborted) {
            throw new FlowInterruptedException()
        }
        return exits.last()
    }

    private boolean waitForResult(File result, String cookie) {
        File trigger = scenario.abort_when ? new File(scenario.abort_when) : null
        long deadline = System.currentTimeMillis() + 60000
        boolean aborted = false
        while (!result.exists()) {
            if (trigger?.exists() && !aborted) {
                aborted = true
                deadline = System.currentTimeMillis() + 5000
                Processes.terminate(cookie, signalled)
            }
            if (System.currentTimeMillis() > deadline) {
                String late = aborted ? 'the process did not stop within 5 s of the abort' : 'sh took over 60 s'
                throw new IOException(late)
            }
            sleep(20)
        }
        return aborted
    }
}
