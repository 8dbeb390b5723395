// scripts/build-examples.js puts the version that it builds here.
export const version: string = '0.0.0'
