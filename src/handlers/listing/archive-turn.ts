/** The right to send an archive, which one response of a server has at a time. */
export class ArchiveTurn {
  isTaken = false;
}
