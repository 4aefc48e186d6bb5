package hudson

/** Stands in for what the step `error` throws; like the real one it is an IOException. */
class AbortException extends IOException {
    AbortException(String message) {
        super(message)
    }
}
