package bench;

import java.time.LocalDate;

/** A record, parsed and judged. Of a refused one the fields are what could be read. Flink moves it as a POJO. */
public class Transaction {
  public static final long MICROS_PER_HOUR = 3_600_000_000L;
  private static final long MICROS_PER_DAY = 24 * MICROS_PER_HOUR;

  public int partition;
  public long offset;
  public long processingMicros;
  /** Null or empty after trimming: no valid id. */
  public String id;
  public int user;
  public long cents;
  public String merchant;
  public String paymentMethod;
  public String location;
  public String device;
  public long eventMicros;
  public boolean fraud;
  /** Why the record is refused, with commas; null for a valid one. */
  public String refusal;
  /** The record itself, of a refused one only. */
  public byte[] value;

  public String city() {
    int comma = location == null ? -1 : location.lastIndexOf(", ");
    return comma < 0 ? null : location.substring(0, comma);
  }

  public String country() {
    int comma = location == null ? -1 : location.lastIndexOf(", ");
    return comma < 0 ? null : location.substring(comma + 2);
  }

  public String amountCategory() {
    if (cents < 10_00) return "micro";
    if (cents < 100_00) return "small";
    if (cents < 1_000_00) return "medium";
    return cents < 10_000_00 ? "large" : "enterprise";
  }

  public boolean highValue() {
    return cents > 1_000_00;
  }

  public int epochDay() {
    return (int) Math.floorDiv(eventMicros, MICROS_PER_DAY);
  }

  public String date() {
    return LocalDate.ofEpochDay(epochDay()).toString();
  }

  public int hour() {
    return (int) (Math.floorMod(eventMicros, MICROS_PER_DAY) / MICROS_PER_HOUR);
  }

  /** 1 is Sunday, 7 is Saturday; the epoch was a Thursday. */
  public int dayOfWeek() {
    return Math.floorMod(epochDay() + 4, 7) + 1;
  }

  public boolean weekend() {
    int day = dayOfWeek();
    return day == 1 || day == 7;
  }
}
