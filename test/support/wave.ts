/** Sound without a codec: a RIFF WAVE file of silence, so that a media element has something long to seek in. */

const HEADER_BYTES = 44;
const FRAMES_PER_SECOND = 48_000;
const CHANNELS = 2;
const SAMPLE_BYTES = 2;

/** `seconds` of silence, 16 bits, stereo: 192,000 bytes a second behind a header of 44. */
export function wave(seconds: number): Uint8Array {
  const frameBytes = CHANNELS * SAMPLE_BYTES;
  const dataBytes = seconds * FRAMES_PER_SECOND * frameBytes;
  const file = Buffer.alloc(HEADER_BYTES + dataBytes);
  file.write("RIFF", 0, "latin1");
  file.writeUInt32LE(file.length - 8, 4);
  file.write("WAVEfmt ", 8, "latin1");
  file.writeUInt32LE(16, 16); // Bytes of the format chunk that follow.
  file.writeUInt16LE(1, 20); // PCM
  file.writeUInt16LE(CHANNELS, 22);
  file.writeUInt32LE(FRAMES_PER_SECOND, 24);
  file.writeUInt32LE(FRAMES_PER_SECOND * frameBytes, 28);
  file.writeUInt16LE(frameBytes, 32);
  file.writeUInt16LE(SAMPLE_BYTES * 8, 34);
  file.write("data", 36, "latin1");
  file.writeUInt32LE(dataBytes, 40);
  return file;
}
