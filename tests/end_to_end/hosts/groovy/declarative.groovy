// Stands before a Jenkinsfile: as much of the declarative syntax as the examples use, on top of Build.groovy's steps.
import org.jenkinsci.plugins.workflow.libs.Library

def pipeline(Closure body) {
    sh(checkout) // as declarative pipelines do by themselves
    body()
}

def agent(Object label) {}

def getAny() { return 'any' }

def environment(Closure body) {
    body.delegate = variables
    body.resolveStrategy = Closure.DELEGATE_FIRST
    body()
}

def credentials(String id) { return [id: id] }

def stages(Closure body) {
    List plain = variables.findAll { !(it.value instanceof Map) }.collect { "${it.key}=${it.value}".toString() }
    Map bound = variables.findAll { it.value instanceof Map }
    List secret = bound.collect { string(credentialsId: it.value.id, variable: it.key) }
    withEnv(plain) { secret ? withCredentials(secret) { body() } : body() }
}

def stage(String name, Closure body) { body() }

def steps(Closure body) { body() }

def script(Closure body) { body() }

def sh(String text) {
    if (sh(returnStatus: true, script: text) != 0) {
        error('script returned a bad exit code: ' + text)
    }
}

def archiveArtifacts(Map options) { assert fileExists(options.artifacts) }

