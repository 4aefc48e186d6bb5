/** What a Jenkinsfile and the step are compiled to: a call that is none of their own methods is a step of the build. */
abstract class Pipeline extends Script {
    def methodMissing(String name, Object arguments) {
        return binding.getVariable('build').step(name, arguments as List)
    }
}
