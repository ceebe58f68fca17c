package bench;

import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.connector.file.sink.FileSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.core.fs.Path;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.ProcessFunction;
import org.apache.flink.streaming.api.functions.sink.filesystem.BucketAssigner;
import org.apache.flink.streaming.api.functions.sink.filesystem.bucketassigners.BasePathBucketAssigner;
import org.apache.flink.streaming.api.windowing.assigners.SlidingEventTimeWindows;
import org.apache.flink.util.Collector;
import org.apache.flink.util.OutputTag;
import org.apache.flink.util.function.SerializableFunction;
import org.apache.flink.util.function.SerializableSupplier;

/**
 * The part of Assay's job that a Flink user would write with the DataStream API: Kafka to silver, quarantine,
 * scores and merchants' windows, exactly once, as Parquet files. Its state is on the heap, where the sets of
 * distinct users and devices are cheapest. Arguments: brokers, topic, directory, slots, checkpoint interval in
 * milliseconds.
 */
public final class FlinkJob {
  static final OutputTag<Transaction> REFUSED = new OutputTag<>("refused", TypeInformation.of(Transaction.class));
  private static final Duration WATERMARK = Duration.ofMinutes(10);

  private FlinkJob() {}

  public static void main(String[] args) throws Exception {
    String base = args[2];
    Configuration settings = new Configuration();
    settings.set(StateBackendOptions.STATE_BACKEND, "hashmap");
    settings.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
    settings.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, "file://" + base + "/_checkpoints");
    settings.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofMillis(Long.parseLong(args[4])));
    settings.set(CheckpointingOptions.CHECKPOINTING_CONSISTENCY_MODE, CheckpointingMode.EXACTLY_ONCE);
    settings.set(PipelineOptions.OBJECT_REUSE, true);
    // No type falls back to the slow general serializer.
    settings.set(PipelineOptions.GENERIC_TYPES, false);
    StreamExecutionEnvironment environment =
        StreamExecutionEnvironment.createLocalEnvironment(Integer.parseInt(args[3]), settings);

    KafkaSource<Transaction> source = KafkaSource.<Transaction>builder()
        .setBootstrapServers(args[0])
        .setTopics(args[1])
        .setGroupId("flink-peer")
        .setStartingOffsets(OffsetsInitializer.earliest())
        .setBounded(OffsetsInitializer.latest())
        .setDeserializer(new TransactionReader())
        .build();
    WatermarkStrategy<Transaction> watermarks = WatermarkStrategy
        .<Transaction>forBoundedOutOfOrderness(WATERMARK)
        // What is refused must not move the watermark.
        .withTimestampAssigner((row, none) -> row.refusal == null ? row.eventMicros / 1000 : Long.MIN_VALUE);

    SingleOutputStreamOperator<Transaction> valid =
        environment.fromSource(source, watermarks, "kafka").process(new Refuse()).name("judge");
    // One shuffle for both questions about a user: so its rows stay in the order in which they arrived.
    SingleOutputStreamOperator<Scored> scored =
        valid.keyBy(row -> row.user).process(new DeduplicateAndScore()).name("deduplicate and score");
    SingleOutputStreamOperator<Transaction> silver = scored.map(row -> row.transaction).name("silver");
    var merchants = silver
        .keyBy(row -> row.merchant == null ? "" : row.merchant)
        .window(SlidingEventTimeWindows.of(Duration.ofMinutes(15), Duration.ofMinutes(5)))
        .aggregate(new MerchantWindow.Totals(), new MerchantWindow.Named())
        .name("merchant");

    write(silver, base + "/silver", FlinkJob::silverColumns, new ByDate<>(Transaction::date));
    write(scored, base + "/fraud_detection", FlinkJob::fraudColumns, new ByDate<>(row -> row.transaction.date()));
    write(merchants, base + "/merchant", FlinkJob::merchantColumns, new BasePathBucketAssigner<>());
    var refused = valid.getSideOutput(REFUSED).union(scored.getSideOutput(REFUSED));
    write(refused, base + "/quarantine", FlinkJob::refusedColumns, new BasePathBucketAssigner<>());
    environment.execute("transactions");
  }

  private static <T> void write(
      DataStream<T> rows, String path, SerializableSupplier<ParquetRows<T>> columns, BucketAssigner<T, String> buckets) {
    rows.sinkTo(FileSink.forBulkFormat(new Path("file://" + path), ParquetRows.writer(columns))
        .withBucketAssigner(buckets)
        .build());
  }

  /** Refused and late rows go to quarantine. */
  private static final class Refuse extends ProcessFunction<Transaction, Transaction> {
    private static final long serialVersionUID = 1;

    @Override
    public void processElement(Transaction row, Context context, Collector<Transaction> out) {
      if (row.refusal == null && row.eventMicros / 1000 < context.timerService().currentWatermark()) {
        row.refusal = "late";
      }
      if (row.refusal == null) out.collect(row);
      else context.output(REFUSED, row);
    }
  }

  private static ParquetRows<Transaction> silverColumns() {
    return new ParquetRows<Transaction>()
        .text("transaction_id", row -> row.id)
        .integer("user_id", row -> row.user)
        .money("amount", row -> row.cents)
        .text("amount_category", Transaction::amountCategory)
        .flag("is_high_value", Transaction::highValue)
        .text("merchant", row -> row.merchant)
        .text("payment_method", row -> row.paymentMethod)
        .text("location", row -> row.location)
        .text("city", Transaction::city)
        .text("country", Transaction::country)
        .text("device_id", row -> row.device)
        .flag("is_fraud", row -> row.fraud)
        .instant("event_time", row -> row.eventMicros)
        .date("transaction_date", Transaction::epochDay)
        .integer("transaction_hour", Transaction::hour)
        .integer("transaction_day_of_week", Transaction::dayOfWeek)
        .flag("is_weekend", Transaction::weekend)
        .integer("partition", row -> row.partition)
        .number("offset", row -> row.offset)
        .instant("processing_time", row -> row.processingMicros);
  }

  private static ParquetRows<Scored> fraudColumns() {
    return new ParquetRows<Scored>()
        .text("transaction_id", row -> row.transaction.id)
        .integer("user_id", row -> row.transaction.user)
        .money("amount", row -> row.transaction.cents)
        .text("merchant", row -> row.transaction.merchant)
        .text("payment_method", row -> row.transaction.paymentMethod)
        .text("location", row -> row.transaction.location)
        .text("country", row -> row.transaction.country())
        .text("device_id", row -> row.transaction.device)
        .instant("event_time", row -> row.transaction.eventMicros)
        .date("transaction_date", row -> row.transaction.epochDay())
        .integer("transaction_hour", row -> row.transaction.hour())
        .flag("is_weekend", row -> row.transaction.weekend())
        .flag("is_fraud", row -> row.transaction.fraud)
        .integer("fraud_score", row -> row.score)
        .text("risk_level", Scored::riskLevel)
        .flag("requires_review", row -> row.score >= 50)
        .flag("is_high_velocity", Scored::highVelocity)
        .integer("tx_count_30min", row -> row.count)
        .texts("reasons", row -> row.reasons)
        .integer("partition", row -> row.transaction.partition)
        .number("offset", row -> row.transaction.offset)
        .instant("processing_time", row -> row.transaction.processingMicros);
  }

  private static ParquetRows<MerchantWindow> merchantColumns() {
    return new ParquetRows<MerchantWindow>()
        .instant("window_start", row -> row.startMs * 1000)
        .instant("window_end", row -> row.endMs * 1000)
        .text("merchant", row -> row.merchant.isEmpty() ? null : row.merchant)
        .number("total_transactions", row -> row.transactions)
        .money("total_revenue", row -> row.totalCents)
        .ratio("avg_transaction_value", row -> row.totalCents / 100.0 / row.transactions)
        .money("max_transaction", row -> row.mostCents)
        .money("min_transaction", row -> row.leastCents)
        .number("fraud_count", row -> row.fraud)
        .number("unique_customers", row -> row.users.size())
        .number("unique_devices", row -> row.devices.size())
        .number("high_value_count", row -> row.highValue)
        .ratio("fraud_rate", row -> 100.0 * row.fraud / row.transactions)
        .ratio("high_value_rate", row -> 100.0 * row.highValue / row.transactions)
        .ratio("avg_devices_per_user", row -> (double) row.devices.size() / row.users.size());
  }

  private static ParquetRows<Transaction> refusedColumns() {
    return new ParquetRows<Transaction>()
        .integer("partition", row -> row.partition)
        .number("offset", row -> row.offset)
        .bytes("value", row -> row.value == null ? new byte[0] : row.value)
        .text("reasons", row -> row.refusal)
        .instant("processing_time", row -> row.processingMicros);
  }

  /** A directory for each transaction_date. */
  private static final class ByDate<T> extends BasePathBucketAssigner<T> {
    private static final long serialVersionUID = 1;
    private final SerializableFunction<T, String> date;

    ByDate(SerializableFunction<T, String> date) {
      this.date = date;
    }

    @Override
    public String getBucketId(T row, Context context) {
      return "transaction_date=" + date.apply(row);
    }
  }
}
