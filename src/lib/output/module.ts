import type {ModuleReport, SignResult} from '../wasm/module-file.js'
import {fields} from './fields.js'

/** A signed module: who it is now, by whom, and where the keys lie. */
export function signedModuleView(result: SignResult): string {
  const made = (file: string): string => (result.madeKeys.includes(file) ? `${file} (new)` : file)
  const done = result.dryRun ? 'would be written' : result.changed ? 'written' : 'already so'
  return fields([
    ['file', `${result.file} (${done})`],
    ['name', result.name],
    ['version', result.version],
    ['revision', result.revision?.toString()],
    ['call alias', result.callAlias],
    ['module', result.key ?? 'a new key'],
    ['issuer', result.issuer ?? 'a new key'],
    ['capabilities', list(result.caps)],
    ['tags', list(result.tags)],
    ['expires', result.expires],
    ['hash', result.hash],
    ['module key', made(result.moduleKeyFile)],
    ['issuer key', made(result.issuerKeyFile)],
  ])
}

/** What a module claims, and which of it holds. */
export function moduleView(report: ModuleReport): string {
  const {timeHolds, expires, notBefore} = report
  return fields([
    ['file', report.file],
    ['name', report.name],
    ['version', report.version],
    ['revision', report.revision?.toString()],
    ['call alias', report.callAlias],
    ['module', report.key],
    ['issuer', report.issuer],
    ['capabilities', list(report.caps)],
    ['tags', list(report.tags)],
    ['issued', report.issuedAt],
    ['not before', notBefore],
    ['expires', expires ?? 'never'],
    ['hash', report.hash],
    ['signature', report.signatureHolds ? 'holds' : 'does not hold'],
    ['code', report.hashHolds ? 'as it was signed' : 'not as it was signed'],
    ['time', timeHolds ? 'valid now' : 'not valid now'],
  ])
}

function list(values: readonly string[]): string | undefined {
  return values.length === 0 ? undefined : values.join(', ')
}
