// Reads topics with Kafka's own Java consumer, committed records alone: what a test takes for the truth about a topic.
// Arguments: bootstrap servers. Standard input, one topic a line. It prints every record of the topic, in the order
// of partitions and offsets, as
//   <partition> <offset> <timestamp> <key|-> <value|-> [<header name>=<value> ..]   (base64, or = for nothing)
// and then "done".
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

public class Consume {
  public static void main(String[] args) throws Exception {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", args[0]);
    properties.put("isolation.level", "read_committed");
    properties.put("enable.auto.commit", "false");
    properties.put("fetch.max.wait.ms", "50");
    var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    var output = new PrintStream(System.out, false, StandardCharsets.UTF_8);
    for (String topic = input.readLine(); topic != null; topic = input.readLine()) {
      try (var consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
        for (var record : read(consumer, topic)) print(output, record);
      }
      output.println("done");
      output.flush();
    }
  }

  static ArrayList<ConsumerRecord<byte[], byte[]>> read(KafkaConsumer<byte[], byte[]> consumer, String topic) {
    var partitions = new ArrayList<TopicPartition>();
    for (var info : consumer.partitionsFor(topic)) partitions.add(new TopicPartition(topic, info.partition()));
    consumer.assign(partitions);
    consumer.seekToBeginning(partitions);
    var ends = consumer.endOffsets(partitions);
    var records = new ArrayList<ConsumerRecord<byte[], byte[]>>();
    while (partitions.stream().anyMatch(each -> consumer.position(each) < ends.get(each))) {
      for (var record : consumer.poll(Duration.ofMillis(200))) {
        if (record.offset() < ends.get(new TopicPartition(topic, record.partition()))) records.add(record);
      }
    }
    records.sort(Comparator.<ConsumerRecord<byte[], byte[]>>comparingInt(record -> record.partition())
        .thenComparingLong(record -> record.offset()));
    return records;
  }

  static void print(PrintStream output, ConsumerRecord<byte[], byte[]> record) {
    output.print(record.partition() + " " + record.offset() + " " + record.timestamp());
    output.print(" " + text(record.key()) + " " + text(record.value()));
    for (var header : record.headers()) output.print(" " + header.key() + "=" + text(header.value()));
    output.print("\n");
  }

  static String text(byte[] bytes) {
    if (bytes == null) return "-";
    return bytes.length == 0 ? "=" : Base64.getEncoder().encodeToString(bytes);
  }
}
