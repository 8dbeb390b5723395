import {homedir} from 'node:os'
import {isAbsolute, join} from 'node:path'

/** The user's configuration folder, as natscli finds it: `XDG_CONFIG_HOME` or `~/.config`. */
export function configDir(): string {
  return userDir('XDG_CONFIG_HOME', '.config')
}

/** Where programs keep a user's data: `XDG_DATA_HOME` or `~/.local/share`. */
export function dataDir(): string {
  return userDir('XDG_DATA_HOME', join('.local', 'share'))
}

/** Where state that outlives a reboot lies: `XDG_STATE_HOME` or `~/.local/state`. */
export function stateDir(): string {
  return userDir('XDG_STATE_HOME', join('.local', 'state'))
}

/** Where what can be fetched again lies: `XDG_CACHE_HOME` or `~/.cache`. */
export function cacheDir(): string {
  return userDir('XDG_CACHE_HOME', '.cache')
}

/** A path from a file or a flag, with a leading `~` as the home folder. */
export function expandHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path
}

/** XDG paths must be absolute; relative ones are ignored, as its specification says. */
function userDir(variable: string, fallback: string): string {
  const value = process.env[variable]
  return value !== undefined && isAbsolute(value) ? value : join(homedir(), fallback)
}
