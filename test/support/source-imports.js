import {existsSync} from 'node:fs'
import {registerHooks} from 'node:module'
import {fileURLToPath} from 'node:url'

// Programs of their own in measurements and tests are TypeScript; Node strips the types but takes `.js` in an import at
// its word: `node --import test/support/source-imports.js program.ts`.
registerHooks({
  resolve: (specifier, context, next) => {
    if (!specifier.startsWith('.') || !specifier.endsWith('.js')) return next(specifier, context)
    const source = specifier.replace(/\.js$/, '.ts')
    return next(existsSync(fileURLToPath(new URL(source, context.parentURL))) ? source : specifier, context)
  },
})
