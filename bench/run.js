// Measurements are TypeScript and use the tests' servers.
import '../test/support/source-imports.js'

await import('./run.ts')
