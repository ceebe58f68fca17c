// Writes records with Kafka's own Java producer, so that the tests read what other people's producers write.
// Arguments: bootstrap servers, then producer properties as name=value. Standard input, one command a line:
//   send <topic> <partition|-> <timestamp|-> <key|-> <value|-> [<header name>=<value> ..]   (base64, or = for nothing)
//   fill <topic> <count> <value bytes>     begin     commit     abort     flush
// It prints "done" after every command but send.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.errors.TransactionAbortedException;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Produce {
  public static void main(String[] args) throws Exception {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", args[0]);
    properties.put("max.request.size", "33554432");
    properties.put("buffer.memory", "67108864");
    for (int index = 1; index < args.length; index++) {
      int equals = args[index].indexOf('=');
      properties.put(args[index].substring(0, equals), args[index].substring(equals + 1));
    }
    var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    try (var producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer())) {
      if (properties.containsKey("transactional.id")) producer.initTransactions();
      for (String line = input.readLine(); line != null; line = input.readLine()) {
        String[] parts = line.split(" ");
        switch (parts[0]) {
          case "send" -> send(producer, parts);
          case "fill" -> fill(producer, parts[1], Integer.parseInt(parts[2]), Integer.parseInt(parts[3]));
          case "begin" -> producer.beginTransaction();
          case "commit" -> producer.commitTransaction();
          case "abort" -> producer.abortTransaction();
          case "flush" -> producer.flush();
          default -> throw new IllegalArgumentException(line);
        }
        if (!parts[0].equals("send")) System.out.println("done");
      }
    }
  }

  static void send(KafkaProducer<byte[], byte[]> producer, String[] parts) {
    Integer partition = parts[2].equals("-") ? null : Integer.valueOf(parts[2]);
    Long timestamp = parts[3].equals("-") ? null : Long.valueOf(parts[3]);
    var record = new ProducerRecord<>(parts[1], partition, timestamp, bytes(parts[4]), bytes(parts[5]));
    for (int index = 6; index < parts.length; index++) {
      int equals = parts[index].indexOf('=');
      record.headers().add(parts[index].substring(0, equals), bytes(parts[index].substring(equals + 1)));
    }
    producer.send(record, (metadata, error) -> {
      // What an abort finds unsent never reaches the log, and is not missed.
      if (error != null && !(error instanceof TransactionAbortedException)) {
        error.printStackTrace();
        System.exit(1);
      }
    });
  }

  /** Transactions as JSON, padded to a size: what the product reads all day, for measurements. */
  static void fill(KafkaProducer<byte[], byte[]> producer, String topic, int count, int valueBytes) {
    var random = new java.util.Random(7);
    for (int index = 0; index < count; index++) {
      int user = random.nextInt(100000);
      var json = new StringBuilder("{\"transaction_id\":\"").append(Long.toHexString(random.nextLong()))
          .append("\",\"user_id\":").append(user).append(",\"amount\":").append(random.nextInt(1000000) / 100.0)
          .append(",\"merchant\":\"merchant-").append(random.nextInt(500))
          .append("\",\"payment_method\":\"credit_card\",\"location\":\"Lagos, Nigeria\",\"device_id\":\"")
          .append(Integer.toHexString(random.nextInt())).append("\",\"is_fraud\":false,\"note\":\"");
      while (json.length() < valueBytes - 2) json.append((char) ('a' + random.nextInt(26)));
      json.setLength(valueBytes - 2);
      byte[] value = json.append("\"}").toString().getBytes(StandardCharsets.UTF_8);
      producer.send(new ProducerRecord<>(topic, Integer.toString(user).getBytes(StandardCharsets.UTF_8), value));
    }
    producer.flush();
  }

  static byte[] bytes(String base64) {
    if (base64.equals("-")) return null;
    return base64.equals("=") ? new byte[0] : Base64.getDecoder().decode(base64);
  }
}
