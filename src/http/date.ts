/**
 * HTTP-date (RFC 9110 §5.6.7): written as IMF-fixdate only, read in all three forms that the RFC makes a recipient accept.
 *
 * Times are whole seconds since 1970-01-01T00:00:00Z. The calendar is computed here (proleptic Gregorian, days counted in
 * 400-year eras), so writing a date into a buffer allocates nothing and reading one depends on no engine's leniency.
 */
import { COLON, COMMA, DIGIT_0, MINUS, SP } from "./ascii.ts";

/** Bytes of an IMF-fixdate, always. */
export const IMF_DATE_BYTES = 29;

/** Bytes of `Date: `, an IMF-fixdate and CRLF. */
export const DATE_LINE_BYTES = 6 + IMF_DATE_BYTES + 2;

/** 9999-12-31T23:59:59Z: the grammar has four digits for the year. */
export const EPOCH_SECONDS_MAX = 253_402_300_799;

const SECONDS_PER_DAY = 86_400;
const DAYS_PER_ERA = 146_097; // 400 Gregorian years
const DAYS_TO_EPOCH = 719_468; // from 0000-03-01 to 1970-01-01
const SECONDS_PER_YEAR = 31_556_952; // the mean of an era
const SECONDS_AHEAD_MAX = 50 * SECONDS_PER_YEAR; // RFC 9110 §5.6.7, for two-digit years

const DAY_NAMES = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const LONG_DAY_NAMES = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTH_NAMES = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** `Sun, 06 Nov 1994 08:49:37 GMT` for 784111777. Times outside 1970 to 9999 become the nearest one inside; fractions are cut. */
export function imfDate(epochSeconds: number): string {
  const bytes = new Uint8Array(IMF_DATE_BYTES);
  encodeImfDate(epochSeconds, bytes, 0);
  return String.fromCharCode(...bytes);
}

/** Writes the 29 bytes of `imfDate` to `into` at `offset`, where they must fit. Returns the offset after them. */
export function encodeImfDate(epochSeconds: number, into: Uint8Array, offset: number): number {
  const time = Math.floor(Math.min(Math.max(epochSeconds, 0), EPOCH_SECONDS_MAX));
  const days = Math.floor(time / SECONDS_PER_DAY);
  const secondOfDay = time - days * SECONDS_PER_DAY;

  // Years are counted from 1 March, so that the leap day is a year's last and the month lengths follow one formula.
  const shifted = days + DAYS_TO_EPOCH;
  const era = Math.floor(shifted / DAYS_PER_ERA);
  const dayOfEra = shifted - era * DAYS_PER_ERA;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  const month = monthFromMarch < 10 ? monthFromMarch + 2 : monthFromMarch - 10; // 0 is January
  const year = era * 400 + yearOfEra + (month < 2 ? 1 : 0);

  let at = writeName(DAY_NAMES[(days + 4) % 7] ?? "", into, offset); // the epoch was a Thursday
  into[at++] = COMMA;
  into[at++] = SP;
  at = writeTwoDigits(day, into, at);
  into[at++] = SP;
  at = writeName(MONTH_NAMES[month] ?? "", into, at);
  into[at++] = SP;
  at = writeTwoDigits(Math.floor(year / 100), into, at);
  at = writeTwoDigits(year % 100, into, at);
  into[at++] = SP;
  at = writeTwoDigits(Math.floor(secondOfDay / 3600), into, at);
  into[at++] = COLON;
  at = writeTwoDigits(Math.floor(secondOfDay / 60) % 60, into, at);
  into[at++] = COLON;
  at = writeTwoDigits(secondOfDay % 60, into, at);
  into[at++] = SP;
  return writeName("GMT", into, at);
}

/**
 * Epoch seconds of an HTTP-date, or -1 when `text` is none of the three forms. `nowSeconds` places a two-digit year.
 *
 * The grammar is taken to the letter (case, spaces, digits, day within its month), with two liberties. Second 60 is read
 * in any minute, as the first second of the next one. The day's name must be a day's name but need not be the date's own:
 * it adds nothing to the date, and no field gives a mismatch a meaning. Dates before 1970 become 0, as they are written.
 */
export function parseHttpDate(text: string, nowSeconds: number): number {
  const separator = text.charCodeAt(3);
  if (separator === COMMA) return parseImfDate(text);
  if (separator === SP) return parseAsctimeDate(text);
  return parseRfc850Date(text, nowSeconds);
}

/** IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`. */
function parseImfDate(text: string): number {
  if (text.length !== IMF_DATE_BYTES || !DAY_NAMES.includes(text.slice(0, 3))) return -1;
  if (text.charCodeAt(4) !== SP || text.charCodeAt(7) !== SP || text.charCodeAt(11) !== SP) return -1;
  if (text.charCodeAt(16) !== SP || !text.endsWith(" GMT")) return -1;
  const month = MONTH_NAMES.indexOf(text.slice(8, 11));
  return epochSecondsOf(readDigits(text, 12, 4), month, readDigits(text, 5, 2), readTime(text, 17));
}

/** asctime-date: `Sun Nov  6 08:49:37 1994`. */
function parseAsctimeDate(text: string): number {
  if (text.length !== 24 || !DAY_NAMES.includes(text.slice(0, 3))) return -1;
  if (text.charCodeAt(7) !== SP || text.charCodeAt(10) !== SP || text.charCodeAt(19) !== SP) return -1;
  const month = MONTH_NAMES.indexOf(text.slice(4, 7));
  const day = text.charCodeAt(8) === SP ? readDigits(text, 9, 1) : readDigits(text, 8, 2);
  return epochSecondsOf(readDigits(text, 20, 4), month, day, readTime(text, 11));
}

/** rfc850-date: `Sunday, 06-Nov-94 08:49:37 GMT`. */
function parseRfc850Date(text: string, nowSeconds: number): number {
  const comma = text.indexOf(",");
  const at = comma + 2; // the day of the month
  if (!LONG_DAY_NAMES.includes(text.slice(0, Math.max(comma, 0))) || text.length !== at + 22) return -1;
  if (text.charCodeAt(at - 1) !== SP || text.charCodeAt(at + 2) !== MINUS || text.charCodeAt(at + 6) !== MINUS)
    return -1;
  if (text.charCodeAt(at + 9) !== SP || !text.endsWith(" GMT")) return -1;
  const yearOfCentury = readDigits(text, at + 7, 2);
  if (yearOfCentury < 0) return -1;
  const month = MONTH_NAMES.indexOf(text.slice(at + 3, at + 6));
  const day = readDigits(text, at, 2);
  const secondOfDay = readTime(text, at + 10);

  // RFC 9110 §5.6.7: a year that appears to be more than 50 years ahead is the most recent past year with the same two
  // digits. So take the latest such year that could be near enough, and a century earlier if it is not.
  const yearMax = 1970 + Math.ceil((nowSeconds + SECONDS_AHEAD_MAX) / SECONDS_PER_YEAR);
  const year = yearMax - ((yearMax - yearOfCentury) % 100);
  const time = epochSecondsOf(year, month, day, secondOfDay);
  return time > nowSeconds + SECONDS_AHEAD_MAX ? epochSecondsOf(year - 100, month, day, secondOfDay) : time;
}

/** Seconds since midnight of `hh:mm:ss` at `at`, or -1. */
function readTime(text: string, at: number): number {
  const hour = readDigits(text, at, 2);
  const minute = readDigits(text, at + 3, 2);
  const second = readDigits(text, at + 6, 2);
  if (text.charCodeAt(at + 2) !== COLON || text.charCodeAt(at + 5) !== COLON) return -1;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return -1;
  return hour * 3600 + minute * 60 + second;
}

/** The number that exactly `count` digits at `at` spell, or -1. */
function readDigits(text: string, at: number, count: number): number {
  let value = 0;
  for (let i = at; i < at + count; i++) {
    const digit = text.charCodeAt(i) - DIGIT_0;
    if (!(digit >= 0 && digit <= 9)) return -1; // written so that NaN, past the end, is refused too
    value = value * 10 + digit;
  }
  return value;
}

/** Epoch seconds, not below 0; -1 when a part is -1 or the month (0 is January) has no such day. */
function epochSecondsOf(year: number, month: number, day: number, secondOfDay: number): number {
  if (year < 0 || month < 0 || secondOfDay < 0) return -1;
  const days = month === 1 && isLeap(year) ? 29 : (DAYS_IN_MONTH[month] ?? 0);
  if (day < 1 || day > days) return -1;
  return Math.max(0, (daysBefore(year, month) + day - 1) * SECONDS_PER_DAY + secondOfDay);
}

/** Days from the epoch to the first day of a month (0 is January); negative before 1970. */
function daysBefore(year: number, month: number): number {
  const marchYear = month < 2 ? year - 1 : year;
  const monthFromMarch = month < 2 ? month + 10 : month - 2;
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
  return marchYear * 365 + leapDays + Math.floor((153 * monthFromMarch + 2) / 5) - DAYS_TO_EPOCH;
}

function isLeap(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

function writeName(name: string, into: Uint8Array, offset: number): number {
  for (let i = 0; i < 3; i++) into[offset + i] = name.charCodeAt(i);
  return offset + 3;
}

function writeTwoDigits(value: number, into: Uint8Array, offset: number): number {
  const tens = Math.floor(value / 10);
  into[offset] = DIGIT_0 + tens;
  into[offset + 1] = DIGIT_0 + value - tens * 10;
  return offset + 2;
}
