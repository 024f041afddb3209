/** What a test or a program takes from `trimaran`: a real cluster in its own process, and a small client. */
export * from '@trimaran/server'
