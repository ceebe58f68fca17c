package bench;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.ToDoubleFunction;
import java.util.function.ToIntFunction;
import java.util.function.ToLongFunction;
import org.apache.flink.formats.parquet.ParquetWriterFactory;
import org.apache.flink.util.function.SerializableSupplier;
import org.apache.hadoop.conf.Configuration;
import org.apache.parquet.hadoop.ParquetWriter;
import org.apache.parquet.hadoop.api.WriteSupport;
import org.apache.parquet.hadoop.metadata.CompressionCodecName;
import org.apache.parquet.io.OutputFile;
import org.apache.parquet.io.api.Binary;
import org.apache.parquet.io.api.RecordConsumer;
import org.apache.parquet.schema.LogicalTypeAnnotation;
import org.apache.parquet.schema.LogicalTypeAnnotation.TimeUnit;
import org.apache.parquet.schema.MessageType;
import org.apache.parquet.schema.PrimitiveType.PrimitiveTypeName;
import org.apache.parquet.schema.Type;
import org.apache.parquet.schema.Types;

/** The columns of a table with how to take them from a row; it writes rows as Parquet of these columns. */
final class ParquetRows<T> extends WriteSupport<T> {
  private interface Put<T> {
    void put(RecordConsumer to, T row);
  }

  private final List<Type> types = new ArrayList<>();
  private final List<Put<T>> puts = new ArrayList<>();
  private RecordConsumer consumer;

  /** Writers of files with the columns that `columns` makes: every writer has its own. */
  static <T> ParquetWriterFactory<T> writer(SerializableSupplier<ParquetRows<T>> columns) {
    return new ParquetWriterFactory<>(file ->
        new Builder<>(file, columns.get())
            .withCompressionCodec(CompressionCodecName.ZSTD)
            .withDictionaryEncoding("transaction_id", false)
            .withDictionaryEncoding("event_time", false)
            .withDictionaryEncoding("offset", false)
            .build());
  }

  ParquetRows<T> text(String name, Function<T, String> get) {
    types.add(Types.optional(PrimitiveTypeName.BINARY).as(LogicalTypeAnnotation.stringType()).named(name));
    return field(name, row -> get.apply(row) != null, (to, row) -> to.addBinary(Binary.fromString(get.apply(row))));
  }

  ParquetRows<T> bytes(String name, Function<T, byte[]> get) {
    types.add(Types.optional(PrimitiveTypeName.BINARY).named(name));
    return field(name, row -> true, (to, row) -> to.addBinary(Binary.fromReusedByteBuffer(ByteBuffer.wrap(get.apply(row)))));
  }

  ParquetRows<T> integer(String name, ToIntFunction<T> get) {
    types.add(Types.optional(PrimitiveTypeName.INT32).named(name));
    return field(name, row -> true, (to, row) -> to.addInteger(get.applyAsInt(row)));
  }

  ParquetRows<T> date(String name, ToIntFunction<T> getEpochDay) {
    types.add(Types.optional(PrimitiveTypeName.INT32).as(LogicalTypeAnnotation.dateType()).named(name));
    return field(name, row -> true, (to, row) -> to.addInteger(getEpochDay.applyAsInt(row)));
  }

  ParquetRows<T> number(String name, ToLongFunction<T> get) {
    types.add(Types.optional(PrimitiveTypeName.INT64).named(name));
    return field(name, row -> true, (to, row) -> to.addLong(get.applyAsLong(row)));
  }

  ParquetRows<T> ratio(String name, ToDoubleFunction<T> get) {
    types.add(Types.optional(PrimitiveTypeName.DOUBLE).named(name));
    return field(name, row -> true, (to, row) -> to.addDouble(get.applyAsDouble(row)));
  }

  ParquetRows<T> money(String name, ToLongFunction<T> getCents) {
    types.add(Types.optional(PrimitiveTypeName.INT64).as(LogicalTypeAnnotation.decimalType(2, 18)).named(name));
    return field(name, row -> true, (to, row) -> to.addLong(getCents.applyAsLong(row)));
  }

  ParquetRows<T> instant(String name, ToLongFunction<T> getMicros) {
    LogicalTypeAnnotation micros = LogicalTypeAnnotation.timestampType(true, TimeUnit.MICROS);
    types.add(Types.optional(PrimitiveTypeName.INT64).as(micros).named(name));
    return field(name, row -> true, (to, row) -> to.addLong(getMicros.applyAsLong(row)));
  }

  ParquetRows<T> flag(String name, Predicate<T> get) {
    types.add(Types.optional(PrimitiveTypeName.BOOLEAN).named(name));
    return field(name, row -> true, (to, row) -> to.addBoolean(get.test(row)));
  }

  ParquetRows<T> texts(String name, Function<T, List<String>> get) {
    types.add(Types.optionalList()
        .optionalElement(PrimitiveTypeName.BINARY).as(LogicalTypeAnnotation.stringType()).named(name));
    return field(name, row -> true, (to, row) -> putList(to, get.apply(row)));
  }

  private static void putList(RecordConsumer to, List<String> texts) {
    to.startGroup();
    if (!texts.isEmpty()) {
      to.startField("list", 0);
      for (String text : texts) {
        to.startGroup();
        to.startField("element", 0);
        to.addBinary(Binary.fromString(text));
        to.endField("element", 0);
        to.endGroup();
      }
      to.endField("list", 0);
    }
    to.endGroup();
  }

  private ParquetRows<T> field(String name, Predicate<T> isPresent, Put<T> put) {
    int index = puts.size();
    puts.add((to, row) -> {
      if (!isPresent.test(row)) return;
      to.startField(name, index);
      put.put(to, row);
      to.endField(name, index);
    });
    return this;
  }

  @Override
  public WriteContext init(Configuration configuration) {
    return new WriteContext(new MessageType("row", types), Map.of());
  }

  @Override
  public void prepareForWrite(RecordConsumer recordConsumer) {
    consumer = recordConsumer;
  }

  @Override
  public void write(T row) {
    consumer.startMessage();
    for (Put<T> put : puts) put.put(consumer, row);
    consumer.endMessage();
  }

  private static final class Builder<T> extends ParquetWriter.Builder<T, Builder<T>> {
    private final ParquetRows<T> rows;

    Builder(OutputFile file, ParquetRows<T> rows) {
      super(file);
      this.rows = rows;
    }

    @Override
    protected Builder<T> self() {
      return this;
    }

    @Override
    protected WriteSupport<T> getWriteSupport(Configuration configuration) {
      return rows;
    }
  }
}
