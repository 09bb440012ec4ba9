/**
 * Draws the pictures of `resources/`: `bun tools/scripts/make-images.ts [folder]`.
 *
 * Strategy: a picture is a function from a point to a colour, made of value noise from an integer hash, so the same
 * script draws the same pixels everywhere (only + - * / and square roots: no function whose last bit a platform chooses).
 * The film-like grain is what makes the banner's PNG larger than a megabyte: noise does not compress.
 */
import { join } from "node:path";
import { crc32, deflateSync } from "node:zlib";

type Colour = readonly [red: number, green: number, blue: number];

/** One landscape. Lengths are fractions of the picture's height, colours 0 to 255. */
interface Scene {
  readonly width: number;
  readonly height: number;
  readonly seed: number;
  readonly skyTop: Colour;
  readonly skyMiddle: Colour;
  readonly horizon: Colour;
  readonly light: Colour;
  readonly lightAt: readonly [x: number, y: number, radius: number];
  readonly ridges: number;
  readonly near: Colour;
  /** Where the water begins, or 1 for none. */
  readonly shore: number;
  /** 0 to 1: how many of the possible stars are seen. */
  readonly stars: number;
  /** Half the width of the grain's distribution, in colour steps. */
  readonly grain: number;
}

const BANNER: Scene = {
  width: 1280,
  height: 640,
  seed: 11,
  skyTop: [58, 92, 140],
  skyMiddle: [150, 172, 196],
  horizon: [250, 214, 176],
  light: [255, 240, 208],
  lightAt: [1.36, 0.43, 0.042],
  ridges: 6,
  near: [24, 44, 58],
  shore: 0.74,
  stars: 0,
  grain: 7,
};

const PHOTO: Scene = {
  width: 960,
  height: 640,
  seed: 29,
  skyTop: [52, 42, 84],
  skyMiddle: [170, 88, 108],
  horizon: [255, 186, 120],
  light: [255, 226, 170],
  lightAt: [0.5, 0.37, 0.055],
  ridges: 7,
  near: [34, 20, 40],
  shore: 1,
  stars: 0,
  grain: 5,
};

const PHOTO_2: Scene = {
  width: 960,
  height: 640,
  seed: 47,
  skyTop: [10, 16, 38],
  skyMiddle: [26, 46, 84],
  horizon: [98, 132, 158],
  light: [240, 240, 226],
  lightAt: [1.08, 0.2, 0.045],
  ridges: 5,
  near: [8, 18, 30],
  shore: 0.68,
  stars: 1,
  grain: 5,
};

const LOGO_SIZE = 160;

if (import.meta.main) {
  const folder = process.argv[2] ?? join(import.meta.dir, "..", "..", "resources");
  await Bun.write(join(folder, "logo.png"), encodePng(LOGO_SIZE, LOGO_SIZE, 4, drawLogo(LOGO_SIZE)));
  await Bun.write(join(folder, "banner.png"), landscapePng(BANNER));
  await Bun.write(join(folder, "photo.jpg"), await landscapeJpeg(PHOTO));
  await Bun.write(join(folder, "photo2.jpg"), await landscapeJpeg(PHOTO_2));
}

function landscapePng(scene: Scene): Uint8Array {
  return encodePng(scene.width, scene.height, 3, drawLandscape(scene));
}

async function landscapeJpeg(scene: Scene): Promise<Uint8Array> {
  return await new Bun.Image(landscapePng(scene)).jpeg({ quality: 84 }).bytes();
}

/** The scene as rows of red, green, blue bytes. */
function drawLandscape(scene: Scene): Uint8Array {
  const { width, height } = scene;
  const pixels = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const x = column / height;
      const y = row / height;
      const colour = y < scene.shore ? landAt(scene, x, y) : waterAt(scene, x, y);
      const at = (row * width + column) * 3;
      for (let channel = 0; channel < 3; channel++) {
        const noise = hash(column, row, scene.seed + channel) + hash(column, row, scene.seed + 3 + channel) - 1;
        pixels[at + channel] = clampByte((colour[channel] ?? 0) + noise * scene.grain);
      }
    }
  }
  return pixels;
}

/** Sky, then each ridge from the farthest to the nearest over it. */
function landAt(scene: Scene, x: number, y: number): Colour {
  let colour = skyAt(scene, x, y);
  const softness = 1.2 / scene.height;
  for (let ridge = 0; ridge < scene.ridges; ridge++) {
    const depth = (ridge + 1) / scene.ridges;
    const base = 0.5 + 0.3 * depth * depth;
    const size = 0.1 + 0.09 * depth;
    const crest = base - size * (1.5 * fractal(x * (1.6 + depth), scene.seed * 17 + ridge, 7) - 0.35);
    const cover = smoothStep((y - crest) / softness + 0.5);
    if (cover === 0) continue;
    // Air between us and a ridge: the farther it is, and the lower we look at it, the more haze.
    const mist = (1 - depth) * 0.88 + 0.3 * (1 - depth * 0.6) * smoothStep((y - crest) / 0.2);
    colour = mix(colour, mix(scene.near, scene.horizon, Math.min(mist, 0.94)), cover);
  }
  return colour;
}

function skyAt(scene: Scene, x: number, y: number): Colour {
  const drop = Math.min(y / 0.56, 1);
  let colour =
    drop < 0.5
      ? mix(scene.skyTop, scene.skyMiddle, smoothStep(drop * 2))
      : mix(scene.skyMiddle, scene.horizon, smoothStep(drop * 2 - 1));
  if (scene.stars > 0) {
    const cell = 96;
    const starX = Math.floor(x * cell);
    const starY = Math.floor(y * cell);
    const chance = hash(starX, starY, scene.seed + 900);
    if (chance > 1 - 0.05 * scene.stars) {
      const dx = x * cell - starX - 0.25 - 0.5 * hash(starX, starY, scene.seed + 901);
      const dy = y * cell - starY - 0.25 - 0.5 * hash(starX, starY, scene.seed + 902);
      const brightness = smoothStep(1 - Math.sqrt(dx * dx + dy * dy) / 0.16) * (1 - drop);
      colour = mix(colour, [255, 250, 240], brightness * 0.9);
    }
  }
  const cloud = fractal2(x * 1.7, y * 7.5, scene.seed + 70);
  colour = mix(colour, scene.horizon, 0.5 * smoothStep((cloud - 0.5) * 3.2) * (1 - scene.stars * 0.8));
  const [lightX, lightY, radius] = scene.lightAt;
  const dx = (x - lightX) / radius;
  const dy = (y - lightY) / radius;
  const distance = Math.sqrt(dx * dx + dy * dy);
  colour = mix(colour, scene.light, 0.75 / (1 + 0.09 * distance * distance));
  return mix(colour, scene.light, smoothStep((1 - distance) * radius * scene.height * 0.6 + 0.5));
}

/** The land upside down, stirred by ripples that grow towards the viewer. */
function waterAt(scene: Scene, x: number, y: number): Colour {
  const depth = (y - scene.shore) / (1 - scene.shore);
  const ripple = fractal2(x * 6, (y * 90) / (0.5 + depth), scene.seed + 300) - 0.5;
  const mirrored = scene.shore - (y - scene.shore) * 1.35 + ripple * 0.1 * (0.15 + depth);
  const reflected = landAt(scene, x + ripple * 0.02, Math.max(0, Math.min(mirrored, scene.shore - 0.001)));
  const shade = mix(reflected, scene.near, 0.16 + 0.38 * depth * depth);
  return mix(shade, scene.light, Math.max(0, ripple) * 0.22);
}

/** A folder with three lines of an answer on it, on a rounded tile; red, green, blue, alpha. */
function drawLogo(size: number): Uint8Array {
  const pixels = new Uint8Array(size * size * 4);
  const unit = size / 32;
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const x = (column + 0.5) / unit;
      const y = (row + 0.5) / unit;
      const cover = (distance: number) => smoothStep(0.5 - distance * unit * 0.8);
      const tile = cover(roundedBox(x - 16, y - 16, 15, 15, 7));
      let colour = mix([38, 120, 132], [24, 62, 92], y / 32);
      const back = Math.min(roundedBox(x - 11, y - 10.6, 4.4, 2.4, 1.3), roundedBox(x - 16, y - 14, 9.4, 4, 1.3));
      colour = mix(colour, [255, 196, 120], cover(back));
      colour = mix(colour, [255, 246, 228], cover(roundedBox(x - 16, y - 18, 9.4, 6, 1.5)));
      // The first line is the status line: the shortest.
      for (let line = 0; line < 3; line++) {
        const half = line === 0 ? 2.4 : line === 1 ? 5.6 : 4.2;
        const bar = roundedBox(x - 10 - half, y - 15.4 - line * 2.7, half, 0.62, 0.6);
        colour = mix(colour, line === 0 ? [224, 110, 70] : [38, 104, 122], cover(bar));
      }
      const at = (row * size + column) * 4;
      for (let channel = 0; channel < 3; channel++) pixels[at + channel] = clampByte(colour[channel] ?? 0);
      pixels[at + 3] = clampByte(tile * 255);
    }
  }
  return pixels;
}

/** Signed distance from the edge of a box with rounded corners around the origin; negative inside. */
function roundedBox(x: number, y: number, halfWidth: number, halfHeight: number, radius: number): number {
  const dx = Math.abs(x) - halfWidth + radius;
  const dy = Math.abs(y) - halfHeight + radius;
  const outX = Math.max(dx, 0);
  const outY = Math.max(dy, 0);
  return Math.sqrt(outX * outX + outY * outY) + Math.min(Math.max(dx, dy), 0) - radius;
}

/** Sum of octaves of one-dimensional value noise, 0 to 1. */
function fractal(x: number, seed: number, octaves: number): number {
  let sum = 0;
  let weight = 0.5;
  let total = 0;
  for (let octave = 0; octave < octaves; octave++) {
    const cell = Math.floor(x);
    sum += weight * lerp(hash(cell, octave, seed), hash(cell + 1, octave, seed), smoothStep(x - cell));
    total += weight;
    weight *= 0.47;
    x = x * 2.03 + 5;
  }
  return sum / total;
}

/** Sum of four octaves of two-dimensional value noise, 0 to 1. */
function fractal2(x: number, y: number, seed: number): number {
  let sum = 0;
  let weight = 0.5;
  for (let octave = 0; octave < 4; octave++) {
    const cellX = Math.floor(x);
    const cellY = Math.floor(y);
    const across = smoothStep(x - cellX);
    const top = lerp(hash(cellX, cellY, seed + octave), hash(cellX + 1, cellY, seed + octave), across);
    const bottom = lerp(hash(cellX, cellY + 1, seed + octave), hash(cellX + 1, cellY + 1, seed + octave), across);
    sum += weight * lerp(top, bottom, smoothStep(y - cellY));
    weight *= 0.5;
    x = x * 2 + 3.7;
    y = y * 2 + 1.9;
  }
  return sum / 0.9375;
}

/** Three integers to one number, 0 to 1: the same on every machine. */
function hash(x: number, y: number, seed: number): number {
  let value = (Math.imul(x, 0x27d4eb2f) ^ Math.imul(y, 0x165667b1) ^ Math.imul(seed, 0x9e3779b1)) | 0;
  value = Math.imul(value ^ (value >>> 15), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return ((value ^ (value >>> 16)) >>> 0) / 0xffffffff;
}

function lerp(from: number, to: number, part: number): number {
  return from + (to - from) * part;
}

function mix(from: Colour, to: Colour, part: number): Colour {
  return [lerp(from[0], to[0], part), lerp(from[1], to[1], part), lerp(from[2], to[2], part)];
}

/** 0 below 0, 1 above 1, and a smooth way between. */
function smoothStep(part: number): number {
  if (part <= 0) return 0;
  if (part >= 1) return 1;
  return part * part * (3 - 2 * part);
}

function clampByte(value: number): number {
  return Math.max(0, Math.min(255, Math.floor(value + 0.5)));
}

/**
 * A PNG (W3C PNG, third edition) of 8-bit samples: 3 channels are red, green, blue; 4 add alpha. Each row is stored with
 * the filter Up or Sub, whichever leaves the smaller sum of absolute differences (§12.7's own advice).
 */
function encodePng(width: number, height: number, channels: 3 | 4, pixels: Uint8Array): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, channels === 3 ? 2 : 6, 0, 0, 0], 8);
  const rowBytes = width * channels;
  const filtered = Buffer.alloc((rowBytes + 1) * height);
  for (let row = 0; row < height; row++) {
    const start = row * rowBytes;
    let best = Number.POSITIVE_INFINITY;
    for (const filter of [1, 2]) {
      const line = Buffer.alloc(rowBytes + 1);
      line[0] = filter;
      let sum = 0;
      for (let i = 0; i < rowBytes; i++) {
        const left = i < channels ? 0 : (pixels[start + i - channels] ?? 0);
        const above = row === 0 ? 0 : (pixels[start + i - rowBytes] ?? 0);
        const difference = ((pixels[start + i] ?? 0) - (filter === 1 ? left : above)) & 0xff;
        line[i + 1] = difference;
        sum += difference < 128 ? difference : 256 - difference;
      }
      if (sum < best) {
        best = sum;
        filtered.set(line, row * (rowBytes + 1));
      }
    }
  }
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    pngChunk("IHDR", header),
    pngChunk("IDAT", deflateSync(filtered, { level: 9 })),
    pngChunk("IEND", Buffer.alloc(0)),
  ]);
}

/** Length, type, data and the checksum of type and data. */
function pngChunk(type: string, data: Uint8Array): Uint8Array {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const chunk = Buffer.alloc(body.length + 8);
  chunk.writeUInt32BE(data.length, 0);
  chunk.set(body, 4);
  chunk.writeUInt32BE(crc32(body), body.length + 4);
  return chunk;
}
