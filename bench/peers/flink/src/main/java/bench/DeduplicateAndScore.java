package bench;

import java.util.Arrays;
import java.util.Iterator;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * The first row of a user with an id stays, its repeats go to quarantine. What stays is scored at once, with the
 * number of the user's transactions in the half hour up to it, itself included. A user's times are one sorted
 * array. Times and ids that no row can ask for any more go by a timer of event time: a time to live would be one of
 * processing time, which is wrong while the job catches up, and it copies a user's map for each entry it looks at.
 */
public final class DeduplicateAndScore extends KeyedProcessFunction<Integer, Transaction, Scored> {
  private static final long serialVersionUID = 1;
  private static final long DEDUP_MICROS = 10 * 60_000_000L;
  private static final long RANGE_MICROS = 30 * 60_000_000L;
  private static final long SWEEP_MS = 10 * 60_000L;

  private transient MapState<String, Long> accepted;
  private transient ValueState<long[]> times;

  @Override
  public void open(OpenContext context) {
    accepted = getRuntimeContext().getMapState(new MapStateDescriptor<>("accepted", Types.STRING, Types.LONG));
    times = getRuntimeContext().getState(
        new ValueStateDescriptor<>("times", PrimitiveArrayTypeInfo.LONG_PRIMITIVE_ARRAY_TYPE_INFO));
  }

  @Override
  public void processElement(Transaction row, Context context, Collector<Scored> out) throws Exception {
    Long repeated = accepted.get(row.id);
    if (repeated != null && Math.abs(row.eventMicros - repeated) <= DEDUP_MICROS) {
      row.refusal = "duplicate";
      context.output(FlinkJob.REFUSED, row);
      return;
    }
    accepted.put(row.id, row.eventMicros);
    out.collect(Scored.of(row, countWith(row.eventMicros)));
    // One timer for each user and ten minutes: timers of the same time are one.
    long forgottenMs = (row.eventMicros + RANGE_MICROS) / 1000;
    context.timerService().registerEventTimeTimer((forgottenMs / SWEEP_MS + 1) * SWEEP_MS);
  }

  private int countWith(long eventMicros) throws Exception {
    long[] before = times.value();
    long[] after;
    int at;
    if (before == null) {
      after = new long[] {eventMicros};
      at = 0;
    } else {
      at = after(before, eventMicros);
      after = new long[before.length + 1];
      System.arraycopy(before, 0, after, 0, at);
      after[at] = eventMicros;
      System.arraycopy(before, at, after, at + 1, before.length - at);
    }
    times.update(after);
    return at + 1 - after(after, eventMicros - RANGE_MICROS - 1);
  }

  @Override
  public void onTimer(long timestamp, OnTimerContext context, Collector<Scored> out) throws Exception {
    for (Iterator<Long> ids = accepted.values().iterator(); ids.hasNext(); ) {
      if (ids.next() < timestamp * 1000 - DEDUP_MICROS) ids.remove();
    }
    long[] all = times.value();
    if (all == null) return;
    int from = after(all, timestamp * 1000 - RANGE_MICROS - 1);
    if (from == all.length) times.clear();
    else if (from > 0) times.update(Arrays.copyOfRange(all, from, all.length));
  }

  /** How many of the sorted `times` are at most `time`. */
  private static int after(long[] times, long time) {
    int low = 0, high = times.length;
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (times[middle] <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
