package bench;

import java.time.DateTimeException;
import java.time.LocalDate;

/** YYYY-MM-DD, T or a space, HH:MM:SS, a fraction where there is one, then Z, an offset or nothing (UTC). */
final class Instants {
  /** What is no such instant. */
  static final long NONE = Long.MIN_VALUE;

  private static final int FRACTION_FROM = 19;

  private Instants() {}

  /** Microseconds since the epoch; what is finer is cut off. */
  static long parseMicros(String text) {
    int length = text.length();
    if (length < FRACTION_FROM || text.charAt(4) != '-' || text.charAt(7) != '-' || text.charAt(13) != ':'
        || text.charAt(16) != ':' || (text.charAt(10) != 'T' && text.charAt(10) != ' ')) return NONE;
    int hour = number(text, 11, 13), minute = number(text, 14, 16), second = number(text, 17, FRACTION_FROM);
    int year = number(text, 0, 4), month = number(text, 5, 7), day = number(text, 8, 10);
    if (year < 0 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return NONE;
    int at = FRACTION_FROM;
    long fraction = 0;
    if (at < length && text.charAt(at) == '.') {
      long unit = 100_000;
      int first = ++at;
      for (; at < length && digit(text, at) >= 0; at++, unit /= 10) fraction += digit(text, at) * unit;
      if (at == first) return NONE;
    }
    int offsetMinutes = 0;
    if (at < length && text.charAt(at) == 'Z') at++;
    else if (at + 6 == length && (text.charAt(at) == '+' || text.charAt(at) == '-') && text.charAt(at + 3) == ':') {
      int hours = number(text, at + 1, at + 3), minutes = number(text, at + 4, length);
      if (hours < 0 || minutes < 0 || minutes > 59) return NONE;
      offsetMinutes = (hours * 60 + minutes) * (text.charAt(at) == '-' ? -1 : 1);
      at = length;
    }
    if (at != length) return NONE;
    try {
      long days = LocalDate.of(year, month, day).toEpochDay();
      long seconds = days * 86_400 + hour * 3600L + (minute - offsetMinutes) * 60L + second;
      return seconds * 1_000_000 + fraction;
    } catch (DateTimeException noSuchDay) {
      return NONE;
    }
  }

  private static int number(String text, int from, int to) {
    int number = 0;
    for (int at = from; at < to; at++) {
      int digit = digit(text, at);
      if (digit < 0) return -1;
      number = number * 10 + digit;
    }
    return number;
  }

  private static int digit(String text, int at) {
    char character = text.charAt(at);
    return character >= '0' && character <= '9' ? character - '0' : -1;
  }
}
