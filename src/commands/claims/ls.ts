import {listClaims, type StoredClaims} from '../../lib/cache/stored-claims.js'
import {LatticeCommand} from '../../lib/cli/command.js'
import {storedClaimsView} from '../../lib/output/stored-claims.js'

export default class ClaimsLs extends LatticeCommand<StoredClaims[]> {
  static override summary = 'List the stored claims, a line a version.'

  static override examples = ['<%= config.bin %> <%= command.id %>', '<%= config.bin %> <%= command.id %> --json']

  async run(): Promise<StoredClaims[]> {
    const {flags} = await this.parse(ClaimsLs)
    await using lattice = await this.open(flags)

    const claims = await listClaims(await lattice.cache())

    this.log(storedClaimsView(claims, {terminal: this.terminal}))
    return claims
  }
}
