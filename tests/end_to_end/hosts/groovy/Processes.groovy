/** How an abort ends processes: SIGTERM to all whose environment holds the cookie, children first. Reads /proc. */
class Processes {
    static void terminate(String cookie, List commandLines) {
        Map<Integer, Integer> parents = [:]
        new File('/proc').eachDirMatch(~/\d+/) { folder ->
            try {
                if (new File(folder, 'environ').text.split('\0').contains('JENKINS_SERVER_COOKIE=' + cookie)) {
                    String stat = new File(folder, 'stat').text
                    parents[folder.name as int] = stat.replaceAll(/^.*\) \S (\d+) .*$/, '$1').trim() as int
                }
            } catch (IOException ended) {
                return // between the listing and the reading, or not ours to read
            }
        }
        parents.keySet().findAll { !parents.containsKey(parents[it]) }.each { end(it, parents, commandLines) }
    }

    private static void end(int process, Map parents, List commandLines) {
        parents.findAll { it.value == process }.each { end(it.key, parents, commandLines) }
        commandLines.add(new File("/proc/${process}/cmdline").text.split('\0').join(' '))
        ProcessHandle.of(process).ifPresent { it.destroy() }
    }
}
