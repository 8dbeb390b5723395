import {readInput} from '../files/read-input.js'
import {lintReport, type LintReport, type LintTarget} from '../routing/lint-report.js'
import {finding} from '../routing/rule-book.js'
import {findServicesText, NoServicesError, type ServicesPlace} from '../services/services-file-find.js'
import {judgeServices} from '../services/services-file-lint.js'
import {readServicesFile} from '../services/services-file.js'

/** The findings in files that declare services; without one, in the file that a command would use. */
export async function lintServicesFiles(
  files: readonly string[] | undefined,
  place: ServicesPlace,
): Promise<LintReport> {
  const found = files === undefined ? await findServicesText(place) : undefined
  if (files === undefined && found === undefined) throw new NoServicesError()
  const texts = found === undefined ? await Promise.all((files ?? []).map(readText)) : [found]
  return lintReport(await Promise.all(texts.map(({file, text}) => lintServices(file, text))), undefined)
}

/** The findings in one text that declares services; throws a UsageError where it is none. */
export async function lintServices(file: string, text: string): Promise<LintTarget> {
  const read = await readServicesFile(file, text)
  if (read.kind === 'broken') {
    const findings = read.faults.map((fault) => finding('services-file', 'refuse', fault))
    return {input: file, form: 'services', mappings: 0, findings}
  }
  const mappings = read.services.reduce((sum, {sources}) => sum + sources.length, 0)
  return {input: file, form: 'services', mappings, findings: judgeServices(read.services)}
}

async function readText(file: string): Promise<{readonly file: string; readonly text: string}> {
  return {file, text: await readInput(file, 'services')}
}
