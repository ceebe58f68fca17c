package bench;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.StringJoiner;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/**
 * Parses and judges a record by Assay's rules (docs/guide/records.md). It is the source's deserializer, so that
 * each partition has its own watermark.
 */
public final class TransactionReader implements KafkaRecordDeserializationSchema<Transaction> {
  private static final long serialVersionUID = 1;
  private static final BigDecimal AMOUNT_LIMIT = new BigDecimal("1000000000000");

  private transient JsonFactory json;

  @Override
  public void open(DeserializationSchema.InitializationContext context) {
    json = JsonFactory.builder()
        .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
        .streamReadConstraints(StreamReadConstraints.builder().maxNestingDepth(100).build())
        .build();
  }

  @Override
  public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Transaction> out) {
    Transaction transaction = new Transaction();
    transaction.partition = record.partition();
    transaction.offset = record.offset();
    transaction.processingMicros = System.currentTimeMillis() * 1000;
    StringJoiner reasons = new StringJoiner(",");
    try {
      read(record.value(), transaction, reasons, Math.min(record.timestamp() * 1000, transaction.processingMicros));
    } catch (IOException | RuntimeException notOneObject) {
      reasons = new StringJoiner(",").add("malformed");
    }
    if (reasons.length() > 0) {
      transaction.refusal = reasons.toString();
      transaction.value = record.value();
    }
    out.collect(transaction);
  }

  private void read(byte[] value, Transaction into, StringJoiner reasons, long arrivedMicros) throws IOException {
    boolean hasUser = false, hasAmount = false, hasTime = false;
    String wrongAmount = "amount_invalid", wrongTime = "timestamp_invalid";
    boolean wrongFraud = false, wrongMerchant = false, wrongMethod = false, wrongLocation = false, wrongDevice = false;
    try (JsonParser parser = json.createParser(value)) {
      if (parser.nextToken() != JsonToken.START_OBJECT) throw new IOException("no object");
      for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
        JsonToken token = parser.nextToken();
        boolean isText = token == JsonToken.VALUE_STRING;
        boolean isWrongText = !isText && token != JsonToken.VALUE_NULL;
        switch (name) {
          case "transaction_id" -> into.id = isText ? trimmed(parser.getText()) : null;
          case "user_id" -> {
            Integer user = token.isNumeric() ? wholeInt(parser) : null;
            hasUser = user != null;
            if (hasUser) into.user = user;
          }
          case "amount" -> {
            if (token.isNumeric()) {
              BigDecimal amount = parser.getDecimalValue();
              BigDecimal rounded = amount.setScale(2, RoundingMode.HALF_UP);
              if (rounded.signum() <= 0) wrongAmount = "amount_not_positive";
              else if (rounded.compareTo(AMOUNT_LIMIT) >= 0) wrongAmount = "amount_out_of_range";
              else {
                hasAmount = true;
                into.cents = rounded.unscaledValue().longValueExact();
              }
            }
          }
          case "timestamp" -> {
            long micros = isText ? Instants.parseMicros(parser.getText()) : Instants.NONE;
            hasTime = micros != Instants.NONE;
            into.eventMicros = micros;
          }
          case "is_fraud" -> {
            into.fraud = token == JsonToken.VALUE_TRUE;
            wrongFraud = !token.isBoolean() && token != JsonToken.VALUE_NULL;
          }
          case "merchant" -> {
            into.merchant = isText ? trimmed(parser.getText()) : null;
            wrongMerchant = isWrongText;
          }
          case "payment_method" -> {
            into.paymentMethod = isText ? trimmed(parser.getText()) : null;
            wrongMethod = isWrongText;
          }
          case "location" -> {
            into.location = isText ? trimmed(parser.getText()) : null;
            wrongLocation = isWrongText;
          }
          case "device_id" -> {
            into.device = isText ? trimmed(parser.getText()) : null;
            wrongDevice = isWrongText;
          }
          default -> { }
        }
        parser.skipChildren();
      }
      if (parser.nextToken() != null) throw new IOException("something follows the object");
    }
    if (into.id == null) reasons.add("transaction_id_missing");
    if (!hasUser) reasons.add("user_id_invalid");
    if (!hasAmount) reasons.add(wrongAmount);
    if (hasTime && into.eventMicros > arrivedMicros + Transaction.MICROS_PER_HOUR) {
      hasTime = false;
      wrongTime = "timestamp_in_future";
    }
    if (!hasTime) reasons.add(wrongTime);
    if (wrongFraud) reasons.add("is_fraud_invalid");
    if (wrongMerchant) reasons.add("merchant_invalid");
    if (wrongMethod) reasons.add("payment_method_invalid");
    if (wrongLocation) reasons.add("location_invalid");
    if (wrongDevice) reasons.add("device_id_invalid");
  }

  private static Integer wholeInt(JsonParser parser) throws IOException {
    if (parser.currentToken() == JsonToken.VALUE_NUMBER_INT && parser.getNumberType() == JsonParser.NumberType.INT) {
      return parser.getIntValue();
    }
    try {
      return parser.getDecimalValue().intValueExact();
    } catch (ArithmeticException notWhole) {
      return null;
    }
  }

  private static String trimmed(String text) {
    int from = 0, to = text.length();
    while (from < to && isSpace(text.charAt(from))) from++;
    while (from < to && isSpace(text.charAt(to - 1))) to--;
    return from == to ? null : text.substring(from, to);
  }

  private static boolean isSpace(char character) {
    return character == ' ' || character == '\t' || character == '\n' || character == '\r';
  }

  @Override
  public TypeInformation<Transaction> getProducedType() {
    return TypeInformation.of(Transaction.class);
  }
}
