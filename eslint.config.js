import prettier from 'eslint-config-prettier'
import {defineConfig} from 'eslint/config'
import tseslint from 'typescript-eslint'

// Folder of src/lib: sibling folders it may import.
const layers = {
  files: [],
  keys: ['files'],
  entity: ['keys'],
  records: ['entity', 'keys'],
  routing: ['entity', 'keys'],
  conf: ['files', 'entity', 'routing'],
  services: ['entity', 'records', 'routing', 'nats', 'keys'],
  nats: ['files', 'entity', 'keys', 'nsc'],
  nsc: ['files', 'keys'],
  contexts: ['files', 'entity', 'keys', 'nats', 'nsc'],
  output: ['entity', 'routing'],
  control: ['entity', 'records', 'nats', 'output'],
  rpc: ['entity', 'routing', 'keys', 'nats'],
  cache: ['entity', 'records', 'nats', 'keys', 'output'],
  edit: ['entity', 'records', 'cache', 'keys', 'output'],
  transfer: ['files', 'entity', 'records', 'cache', 'nats', 'keys'],
  leaf: ['files', 'routing', 'nats', 'keys'],
  'leaf-server': ['files', 'entity', 'keys', 'nats', 'routing', 'conf', 'apply', 'leaf', 'server', 'routes'],
  apply: ['files', 'entity', 'routing', 'conf', 'nats', 'nsc', 'keys', 'server', 'leaf'],
  'control-plane': ['files', 'routing', 'apply', 'nats', 'keys', 'output'],
  observe: ['entity', 'routing', 'apply', 'nats', 'keys', 'leaf'],
  routes: [
    'files',
    'entity',
    'records',
    'routing',
    'conf',
    'services',
    'control',
    'cache',
    'apply',
    'control-plane',
    'observe',
    'nats',
    'nsc',
    'keys',
    'server',
    'leaf',
  ],
  lint: ['files', 'entity', 'routing', 'conf', 'keys', 'services'],
  audit: ['entity', 'records', 'control', 'cache', 'keys'],
  check: ['entity', 'keys', 'nats', 'control', 'cache', 'apply', 'routes', 'output'],
  entities: ['entity', 'records', 'control', 'routes', 'routing', 'services', 'cache', 'rpc', 'nats', 'keys', 'wasm'],
  host: ['files', 'wasm', 'entity', 'records', 'routing', 'control', 'cache', 'rpc', 'nats', 'keys'],
  wasm: ['files', 'entity', 'keys'],
  server: ['files', 'nats', 'keys', 'control', 'entity'],
  completion: ['files', 'entity', 'control', 'services', 'cache', 'nats', 'server'],
  cli: ['files', 'entity', 'entities', 'records', 'routing', 'nats', 'output'],
}
const pureFolders = ['entity', 'records', 'routing', 'output']
const pureFiles = [
  ...pureFolders.map((folder) => `src/lib/${folder}/**`),
  'src/lib/control/{dialect,v0,v1}.ts',
  'src/lib/rpc/{invocation,response,antiforgery}.ts',
  'src/lib/check/{subjects,permissions}.ts',
]
const pureImports = {
  regex: '^(node:(?!crypto$|buffer$)|@nats-io/(?!nkeys$))',
  message: 'This code is pure: no I/O.',
}

function importRule(folder, allowed) {
  const others = Object.keys(layers).filter((other) => other !== folder && !allowed.includes(other))
  return [
    'error',
    {
      patterns: [
        {
          regex: `^(\\.\\./)+(${others.join('|')})/`,
          message: `${folder} may not import this.`,
          allowTypeImports: folder === 'output' || folder === 'cli',
        },
        ...(folder === 'cli' ? [] : [{regex: '^@oclif/|^(\\.\\./)+lattice\\.js$', message: 'Only commands and cli.'}]),
        ...(pureFolders.includes(folder) ? [pureImports] : []),
      ],
    },
  ]
}

export default defineConfig(
  {
    ignores: [
      'dist',
      'coverage',
      'examples/*/build',
      'examples/*/assembly',
      'test/fixtures/*/assembly',
      'node_modules',
    ],
  },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        project: ['./test/tsconfig.json'],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      'no-console': 'error',
      'max-lines': ['warn', {max: 280, skipBlankLines: true, skipComments: true}],
      'max-params': ['warn', 4],
      '@typescript-eslint/switch-exhaustiveness-check': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', {allowNumber: true}],
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        {ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true},
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      // noUncheckedIndexedAccess makes each checked index a `!`.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/prefer-nullish-coalescing': ['error', {ignorePrimitives: {string: true}}],
      '@typescript-eslint/no-unused-vars': [
        'error',
        {argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none'},
      ],
      '@typescript-eslint/dot-notation': ['error', {allowIndexSignaturePropertyAccess: true}],
    },
  },
  ...Object.entries(layers).map(([folder, allowed]) => ({
    files: [`src/lib/${folder}/**`],
    rules: {'@typescript-eslint/no-restricted-imports': importRule(folder, allowed)},
  })),
  {
    files: ['src/commands/**'],
    rules: {
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {patterns: [{regex: '^(@nats-io/|zod$|node:)', message: 'A command calls lib.'}]},
      ],
    },
  },
  {
    files: pureFiles,
    rules: {
      'no-restricted-globals': ['error', 'process', 'setTimeout', 'setInterval', 'fetch'],
      'no-restricted-syntax': [
        'error',
        {
          selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']",
          message: 'Take the time as an argument.',
        },
        {selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'Take the time as an argument.'},
      ],
    },
  },
  {
    files: ['**/*.js'],
    extends: [tseslint.configs.disableTypeChecked],
    rules: {'@typescript-eslint/explicit-function-return-type': 'off'},
  },
  {files: ['scripts/**', 'bench/**', 'test/**'], rules: {'no-console': 'off'}},
  // Tables of cases and of result types are long and flat.
  {files: ['test/**'], rules: {'max-lines': 'off'}},
  prettier,
)
