package com.cloudbees.groovy.cps

/** Stands in for the annotation that a Jenkins script imports. */
@interface NonCPS {
}
