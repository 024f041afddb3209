import { emptyBytes, type Disk, type DiskFile } from '@trimaran/common'

/** A disk whose segments take bytes and keep none: what is left of an append is what the log itself does. */
export function unwritten(disk: Disk): Disk {
  const forgetful = (path: string): DiskFile => {
    let sizeBytes = 0
    return {
      path,
      get sizeBytes() {
        return sizeBytes
      },
      append: parts => {
        for (const part of parts) sizeBytes += part.length
      },
      read: () => emptyBytes,
      readLater: () => Promise.resolve(emptyBytes),
      truncate: toBytes => (sizeBytes = toBytes),
      sync: () => Promise.resolve(),
      syncNow: () => {},
      close: () => {},
    }
  }
  return {
    open: (path, options) => (path.endsWith('.log') ? forgetful(path) : disk.open(path, options)),
    exists: path => disk.exists(path),
    list: directory => disk.list(directory),
    makeDirectory: directory => disk.makeDirectory(directory),
    rename: (from, to) => disk.rename(from, to),
    removeFile: path => disk.removeFile(path),
    removeDirectory: directory => disk.removeDirectory(directory),
    readFile: path => disk.readFile(path),
    writeFileAtomic: (path, content) => disk.writeFileAtomic(path, content),
    syncDirectory: directory => disk.syncDirectory(directory),
    syncDirectoryLater: directory => disk.syncDirectoryLater(directory),
  }
}
