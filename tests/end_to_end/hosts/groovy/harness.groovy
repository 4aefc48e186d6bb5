/*
 * Runs pipelines that call vars/buildferry.groovy, without Jenkins: groovy -cp HERE harness.groovy SCENARIOS REPORT
 *
 * SCENARIOS is a JSON file {"step": path, "scenarios": {name: scenario}}; test_jenkins.py says what a scenario holds.
 * REPORT gets {"source": facts about the script, "builds": {name: what happened}}. One JVM runs them all.
 */
import groovy.json.JsonOutput
import groovy.json.JsonSlurper
import org.codehaus.groovy.control.CompilerConfiguration
import org.codehaus.groovy.control.customizers.ImportCustomizer

Map input = new JsonSlurper().parse(new File(args[0]))
Source source = new Source()

CompilerConfiguration compiler(Object... more) {
    ImportCustomizer imports = new ImportCustomizer()
    imports.addStarImports('com.cloudbees.groovy.cps', 'hudson.model', 'jenkins.model')
    CompilerConfiguration configuration = new CompilerConfiguration(scriptBaseClass: 'Pipeline')
    configuration.addCompilationCustomizers(imports, *more)
    return configuration
}

List<String> classesIn(Object value) {
    List inner = value instanceof Map ? value.values() as List : value instanceof List ? value : []
    return [value?.getClass()?.name] + inner.collectMany { classesIn(it) }
}

Object throughSerialization(Object value) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream()
    new ObjectOutputStream(bytes).withStream { it.writeObject(value) }
    return new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray())).readObject()
}

Map run(Build build, Class library) {
    Binding binding = new Binding(build: build, currentBuild: build.currentBuild)
    build.library = library.newInstance(binding: binding)
    Map report = [:]
    try {
        Object returned = new GroovyShell(getClass().classLoader, binding, compiler()).evaluate(build.scenario.pipeline)
        boolean survives = throughSerialization(returned) == returned
        report = [returned: returned, classes: classesIn(returned) as Set, survives: survives]
    } catch (Throwable thrown) {
        report = [error: [type: thrown.getClass().name, message: thrown.message]]
    }
    return report + [
        calls: build.calls, log: build.log.toString(), raw_log: build.rawLog.toString(), exits: build.exits,
        signalled: build.signalled, description: build.currentBuild.description,
    ]
}

Class library = new GroovyClassLoader(getClass().classLoader, compiler(source)).parseClass(new File(input.step))
Map builds = input.scenarios.collectEntries { name, scenario -> [(name): run(new Build(scenario), library)] }
Map facts = [
    methods: source.methods, invoked: source.invoked, constructed: source.constructed, caught: source.caught,
    shells: source.shells,
]
new File(args[1]).setText(JsonOutput.toJson([source: facts, builds: builds]), 'UTF-8')
