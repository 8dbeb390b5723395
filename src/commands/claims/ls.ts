import {listClaims, type StoredClaims} from '../../lib/cache/stored-claims.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {storedClaimsView} from '../../lib/output/stored-claims.js'

interface ClaimsList {
  readonly lattice: string
  readonly claims: readonly StoredClaims[]
}

export default class ClaimsLs extends LatticeCommand<ClaimsList> {
  static override summary = 'List the stored claims, a line a version.'

  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json']

  async run(): Promise<ClaimsList> {
    const {flags} = await this.parse(ClaimsLs)
    await using lattice = await this.open(flags)

    const claims = await listClaims(await lattice.cache())

    if (claims.length === 0) this.noteEmpty(lattice)
    this.log(storedClaimsView(claims, {terminal: this.terminal}))
    return {lattice: lattice.name, claims}
  }
}
