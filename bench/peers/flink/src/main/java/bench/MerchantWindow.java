package bench;

import java.util.HashSet;
import java.util.Set;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;

/** The totals of a merchant in a window. */
public class MerchantWindow {
  /** Empty for the transactions without one: a key is never null. */
  public String merchant;
  public long startMs;
  public long endMs;
  public long transactions;
  public long totalCents;
  public long mostCents = Long.MIN_VALUE;
  public long leastCents = Long.MAX_VALUE;
  public long fraud;
  public long highValue;
  public Set<Integer> users = new HashSet<>();
  public Set<String> devices = new HashSet<>();

  /** Adds each row to its windows as it comes. */
  public static final class Totals implements AggregateFunction<Transaction, MerchantWindow, MerchantWindow> {
    private static final long serialVersionUID = 1;

    @Override
    public MerchantWindow createAccumulator() {
      return new MerchantWindow();
    }

    @Override
    public MerchantWindow add(Transaction row, MerchantWindow totals) {
      totals.transactions++;
      totals.totalCents += row.cents;
      totals.mostCents = Math.max(totals.mostCents, row.cents);
      totals.leastCents = Math.min(totals.leastCents, row.cents);
      if (row.fraud) totals.fraud++;
      if (row.highValue()) totals.highValue++;
      totals.users.add(row.user);
      if (row.device != null) totals.devices.add(row.device);
      return totals;
    }

    @Override
    public MerchantWindow getResult(MerchantWindow totals) {
      return totals;
    }

    @Override
    public MerchantWindow merge(MerchantWindow one, MerchantWindow other) {
      throw new UnsupportedOperationException("only windows that merge ask for it");
    }
  }

  /** Names the window that has closed. */
  public static final class Named extends ProcessWindowFunction<MerchantWindow, MerchantWindow, String, TimeWindow> {
    private static final long serialVersionUID = 1;

    @Override
    public void process(
        String merchant, Context context, Iterable<MerchantWindow> totals, Collector<MerchantWindow> out) {
      MerchantWindow row = totals.iterator().next();
      row.merchant = merchant;
      row.startMs = context.window().getStart();
      row.endMs = context.window().getEnd();
      out.collect(row);
    }
  }
}
