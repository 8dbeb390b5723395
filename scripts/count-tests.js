// Prints `passed failed` of a vitest JSON report; a file that could not run at all counts as one that failed.
import {readFileSync} from 'node:fs'

let [passed, failed] = [0, 0]
try {
  const report = JSON.parse(readFileSync(process.argv[2], 'utf8'))
  passed = report.numPassedTests
  failed = report.numFailedTests
  for (const {status, assertionResults} of report.testResults) {
    if (status === 'failed' && !assertionResults.some((test) => test.status === 'failed')) failed += 1
  }
} catch {
  failed = 1
}
process.stdout.write(`${passed} ${failed}\n`)
