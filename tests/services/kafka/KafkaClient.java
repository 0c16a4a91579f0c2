// A producer and an operator for tests, by the clients of the Kafka project.
//
// Reads one JSON object a line from standard input, {"do": COMMAND, ...}, and
// answers each by one line: an object, with "error" if the command failed. Ends
// at the end of the input. tests/services/kafka.py starts it and wraps commands.
//
//   java -cp 'JARS/*' KafkaClient.java BOOTSTRAP_SERVERS

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public final class KafkaClient {
  private static final ObjectMapper JSON = new ObjectMapper(
      JsonFactory.builder().streamReadConstraints(
          StreamReadConstraints.builder().maxStringLength(1 << 28).build())
          .build());
  private static final long PATIENCE_S = 60;

  private final String servers;
  private final Admin admin;
  private final Map<String, KafkaProducer<byte[], byte[]>> producers =
      new HashMap<>();

  private KafkaClient(String servers) {
    this.servers = servers;
    admin = Admin.create(Map.of(
        "bootstrap.servers", servers, "retry.backoff.ms", "50",
        "reconnect.backoff.ms", "50", "reconnect.backoff.max.ms", "200"));
  }

  public static void main(String[] arguments) throws IOException {
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    System.setOut(System.err);  // Whatever else prints must not answer.
    BufferedReader in = new BufferedReader(
        new InputStreamReader(System.in, StandardCharsets.UTF_8));
    KafkaClient client = new KafkaClient(arguments[0]);
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      ObjectNode answer = JSON.createObjectNode();
      try {
        client.obey(JSON.readTree(line), answer);
      } catch (ExecutionException error) {
        answer.put("error", error.getCause().toString());
      } catch (Exception error) {
        answer.put("error", error.toString());
      }
      out.println(JSON.writeValueAsString(answer));
    }
    Runtime.getRuntime().halt(0);  // Without waiting for open transactions.
  }

  private void obey(JsonNode in, ObjectNode out) throws Exception {
    String command = in.get("do").asText();
    switch (command) {
      case "await_brokers" -> awaitBrokers(in, out);
      case "create" -> create(in);
      case "delete" -> get(admin.deleteTopics(List.of(topic(in))).all());
      case "add_partitions" -> get(admin.createPartitions(Map.of(
          topic(in), NewPartitions.increaseTo(in.get("count").asInt()))).all());
      case "describe" -> describe(in, out);
      case "delete_records" -> get(admin.deleteRecords(Map.of(
          partition(in), RecordsToDelete.beforeOffset(
              in.get("before").asLong()))).all());
      case "offset" -> offset(in, out);
      case "set_config" -> setConfig(in);
      case "elect" -> get(admin.electLeaders(
          in.path("unclean").asBoolean() ? ElectionType.UNCLEAN
                                         : ElectionType.PREFERRED,
          Set.of(partition(in))).all());
      case "move" -> get(admin.alterPartitionReassignments(Map.of(
          partition(in), Optional.of(new NewPartitionReassignment(
              integers(in.get("replicas")))))).all());
      case "open" -> open(in);
      case "begin" -> producer(in).beginTransaction();
      case "send" -> send(in, out);
      case "flush" -> producer(in).flush();
      case "commit" -> producer(in).commitTransaction();
      case "abort" -> producer(in).abortTransaction();
      case "close" -> producers.remove(in.get("producer").asText()).close();
      default -> throw new IllegalArgumentException("no command " + command);
    }
  }

  // Until these are the brokers that are not fenced, and each answers. The first
  // alone would count a broker that was killed and is not back yet.
  private void awaitBrokers(JsonNode in, ObjectNode out) throws Exception {
    Set<Integer> wanted = new HashSet<>(integers(in.get("nodes")));
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_S);
    while (true) {
      var cluster = admin.describeCluster();
      Set<Integer> found = new HashSet<>();
      get(cluster.nodes()).forEach(node -> found.add(node.id()));
      if (found.equals(wanted)) {
        get(admin.describeLogDirs(wanted).allDescriptions());
        out.put("cluster_id", get(cluster.clusterId()));
        return;
      }
      if (System.nanoTime() > end) {
        throw new IllegalStateException("the brokers are " + found);
      }
      Thread.sleep(20);
    }
  }

  // Until each partition has a leader, as later commands ask it.
  private void create(JsonNode in) throws Exception {
    NewTopic topic;
    if (in.has("assignment")) {
      Map<Integer, List<Integer>> assignment = new HashMap<>();
      for (JsonNode one : in.get("assignment")) {
        assignment.put(assignment.size(), integers(one));
      }
      topic = new NewTopic(topic(in), assignment);
    } else {
      topic = new NewTopic(topic(in), in.path("partitions").asInt(1),
                           (short) in.path("replicas").asInt(1));
    }
    get(admin.createTopics(List.of(topic.configs(strings(in.get("config")))))
            .all());
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_S);
    while (true) {
      try {
        var found = get(admin.describeTopics(List.of(topic(in))).allTopicNames())
                        .get(topic(in));
        if (found.partitions().stream().allMatch(one -> one.leader() != null)) {
          return;
        }
      } catch (ExecutionException error) {
        if (System.nanoTime() > end) throw error;
      }
      Thread.sleep(20);
    }
  }

  private void describe(JsonNode in, ObjectNode out) throws Exception {
    var found = get(admin.describeTopics(List.of(topic(in))).allTopicNames())
                    .get(topic(in));
    out.put("topic_id", found.topicId().toString());
    ArrayNode partitions = out.putArray("partitions");
    for (var one : found.partitions()) {
      ObjectNode partition = partitions.addObject();
      partition.put("leader", one.leader() == null ? -1 : one.leader().id());
      ArrayNode replicas = partition.putArray("replicas");
      one.replicas().forEach(node -> replicas.add(node.id()));
      ArrayNode isr = partition.putArray("isr");
      one.isr().forEach(node -> isr.add(node.id()));
    }
  }

  private void offset(JsonNode in, ObjectNode out) throws Exception {
    OffsetSpec spec = in.get("which").asText().equals("earliest")
        ? OffsetSpec.earliest() : OffsetSpec.latest();
    out.put("offset", get(admin.listOffsets(Map.of(partition(in), spec))
                              .partitionResult(partition(in))).offset());
  }

  private void setConfig(JsonNode in) throws Exception {
    ConfigResource resource = in.has("topic")
        ? new ConfigResource(ConfigResource.Type.TOPIC, topic(in))
        : new ConfigResource(ConfigResource.Type.BROKER,
                             in.get("broker").asText());
    List<AlterConfigOp> changes = new ArrayList<>();
    strings(in.get("config")).forEach((key, value) -> changes.add(
        new AlterConfigOp(new ConfigEntry(key, value),
                          AlterConfigOp.OpType.SET)));
    get(admin.incrementalAlterConfigs(Map.of(resource, changes)).all());
  }

  private void open(JsonNode in) {
    Map<String, Object> config = new HashMap<>(strings(in.get("config")));
    config.put("bootstrap.servers", servers);
    var producer = new KafkaProducer<byte[], byte[]>(
        config, new ByteArraySerializer(), new ByteArraySerializer());
    producers.put(in.get("producer").asText(), producer);
    if (config.containsKey("transactional.id")) producer.initTransactions();
  }

  // Sends messages of one partition. With "wait": returns their offsets.
  private void send(JsonNode in, ObjectNode out) throws Exception {
    var producer = producer(in);
    List<Future<RecordMetadata>> sent = new ArrayList<>();
    for (JsonNode one : in.get("messages")) {
      var record = new ProducerRecord<byte[], byte[]>(
          topic(in), in.get("partition").asInt(), bytes(one.get("key")),
          bytes(one.get("value")));
      JsonNode headers = one.path("headers");
      for (var names = headers.fieldNames(); names.hasNext();) {
        String name = names.next();
        record.headers().add(name, headers.get(name).binaryValue());
      }
      sent.add(producer.send(record));
    }
    if (!in.path("wait").asBoolean(true)) return;
    producer.flush();
    ArrayNode offsets = out.putArray("offsets");
    for (var one : sent) offsets.add(get(one).offset());
  }

  private KafkaProducer<byte[], byte[]> producer(JsonNode in) {
    return producers.get(in.get("producer").asText());
  }

  private static <T> T get(Future<T> future) throws Exception {
    return future.get(PATIENCE_S, TimeUnit.SECONDS);
  }

  private static String topic(JsonNode in) {
    return in.get("topic").asText();
  }

  private static TopicPartition partition(JsonNode in) {
    return new TopicPartition(topic(in), in.path("partition").asInt());
  }

  private static byte[] bytes(JsonNode in) throws IOException {
    return in == null || in.isNull() ? null : in.binaryValue();
  }

  private static List<Integer> integers(JsonNode in) {
    List<Integer> all = new ArrayList<>();
    in.forEach(one -> all.add(one.asInt()));
    return all;
  }

  private static Map<String, String> strings(JsonNode in) {
    Map<String, String> all = new HashMap<>();
    if (in == null) return all;
    for (var names = in.fieldNames(); names.hasNext();) {
      String name = names.next();
      all.put(name, in.get(name).asText());
    }
    return all;
  }
}
