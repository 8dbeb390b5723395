import {join} from 'node:path'

import {stateDir} from '../files/paths.js'

/** The folder in the user's state directory that stands for one leaf node of this machine. */
export function leafFolder({lattice, name}: {readonly lattice: string; readonly name: string}): string {
  return join(stateDir(), 'lattice-leaf', lattice, name)
}

/** In such a folder: the seed of a user whose changes this leaf node takes. */
export const controlKeyName = 'control.nk'
