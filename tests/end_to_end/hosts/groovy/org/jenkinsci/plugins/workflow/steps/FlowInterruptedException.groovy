package org.jenkinsci.plugins.workflow.steps

/** Stands in for what the running step throws when the build is aborted. */
class FlowInterruptedException extends InterruptedException {
}
