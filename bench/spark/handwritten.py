# What a data engineer would write by hand: Structured Streaming jobs from Kafka through all tables, each with
# availableNow, one after another. It does as much of Assay's work as Spark lets a streaming job do. Less than
# Assay does it where that is not so: JSON is read leniently (a number in quotes is a number), a refused repeat
# or late row is dropped and not kept with its reason, a repeat is any row with the same id within the
# watermark, and windows at the end of the data stay open. The velocity of a user needs foreachBatch, because a
# RANGE window is refused on a stream.
# Arguments: brokers, topic, directory. Jars and memory come from spark-submit.
import sys
import time

from pyspark.sql import SparkSession, Window, functions as F

brokers, topic, base = sys.argv[1:]
spark = SparkSession.builder.getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
names = ["transaction_id", "user_id", "amount", "merchant", "payment_method", "location", "device_id", "timestamp", "is_fraud"]
schema = ", ".join(f"{name} STRING" for name in [*names, "_corrupt_record"])


def run(name, frame, partition=None):
    start = time.time()
    writer = frame.writeStream.format("delta").outputMode("append").trigger(availableNow=True)
    writer = writer.option("checkpointLocation", f"{base}/_checkpoints/{name}")
    if partition:
        writer = writer.partitionBy(partition)
    writer.start(f"{base}/{name}").awaitTermination()
    print(f"  {name}: {time.time() - start:.1f} s", flush=True)


def stream(name):
    return spark.readStream.format("delta").load(f"{base}/{name}")


kafka = spark.readStream.format("kafka").option("kafka.bootstrap.servers", brokers).option("subscribe", topic)
kafka = kafka.option("startingOffsets", "earliest").option("includeHeaders", "true").load()
bronze = kafka.select(
    "topic", "partition", "offset", F.col("key").alias("kafka_key"), "value", "headers",
    F.col("timestamp").alias("kafka_timestamp"), F.current_timestamp().alias("processing_time"),
).withColumn("processing_date", F.to_date("processing_time"))
run("bronze", bronze, "processing_date")

text = F.col("value").cast("string")
parsed = stream("bronze").withColumn("j", F.from_json(text, schema, {"columnNameOfCorruptRecord": "_corrupt_record"}))
parsed = parsed.select(
    F.expr("j IS NULL OR j._corrupt_record IS NOT NULL AS malformed"),
    F.expr("nullif(trim(j.transaction_id), '') AS transaction_id"),
    F.expr("try_cast(j.user_id AS INT) AS user_id"),
    F.expr("try_cast(j.amount AS DOUBLE) AS number"),
    F.expr("try_cast(j.amount AS DECIMAL(18,2)) AS amount"),
    *[F.expr(f"nullif(trim(j.{name}), '') AS {name}") for name in ["merchant", "payment_method", "location", "device_id"]],
    F.expr("try_cast(j.timestamp AS TIMESTAMP) AS event_time"),
    F.expr("j.is_fraud AS text_fraud"),
    F.expr("try_cast(j.is_fraud AS BOOLEAN) AS is_fraud"),
    "topic", "partition", "offset", "kafka_key", "value", "kafka_timestamp",
)
parsed = parsed.withColumn("reasons", F.expr(
    "CASE WHEN malformed THEN array('malformed') ELSE filter(array("
    "CASE WHEN transaction_id IS NULL THEN 'transaction_id_missing' END, "
    "CASE WHEN user_id IS NULL THEN 'user_id_invalid' END, "
    "CASE WHEN number IS NULL THEN 'amount_invalid' WHEN number >= 1e12 THEN 'amount_out_of_range' "
    "WHEN amount IS NULL OR amount <= 0 THEN 'amount_not_positive' END, "
    "CASE WHEN event_time IS NULL THEN 'timestamp_invalid' "
    "WHEN event_time > least(kafka_timestamp, current_timestamp()) + INTERVAL 1 HOUR THEN 'timestamp_in_future' END, "
    "CASE WHEN text_fraud IS NOT NULL AND is_fraud IS NULL THEN 'is_fraud_invalid' END"
    "), x -> x IS NOT NULL) END"))
valid = F.size("reasons") == 0
silver = (
    parsed.where(valid).drop("malformed", "number", "text_fraud", "reasons", "kafka_key", "value", "kafka_timestamp")
    .withWatermark("event_time", "10 minutes").dropDuplicatesWithinWatermark(["transaction_id"])
    .withColumn("amount_category", F.expr(
        "CASE WHEN amount < 10 THEN 'micro' WHEN amount < 100 THEN 'small' WHEN amount < 1000 THEN 'medium' "
        "WHEN amount < 10000 THEN 'large' ELSE 'enterprise' END"))
    .withColumn("is_high_value", F.expr("amount > 1000"))
    .withColumn("city", F.expr("substring_index(location, ', ', 1)"))
    .withColumn("country", F.expr("substring_index(location, ', ', -1)"))
    .withColumn("is_fraud", F.expr("coalesce(is_fraud, false)"))
    .withColumn("transaction_date", F.expr("to_date(event_time)"))
    .withColumn("transaction_hour", F.expr("hour(event_time)"))
    .withColumn("transaction_day_of_week", F.expr("dayofweek(event_time)"))
    .withColumn("is_weekend", F.expr("dayofweek(event_time) IN (1, 7)"))
    .withColumn("processing_time", F.current_timestamp())
)
run("silver", silver, "transaction_date")
quarantine = parsed.where(~valid).select("topic", "partition", "offset", "kafka_key", "value", "reasons")
run("quarantine", quarantine)

rules = (
    "filter(array(CASE WHEN is_fraud THEN 'known_fraud' END, CASE WHEN amount > 5000 THEN 'high_amount' END, "
    "CASE WHEN payment_method = 'crypto' THEN 'crypto_payment' END, "
    "CASE WHEN country IN ('Nigeria', 'Russia', 'China') THEN 'high_risk_country' END, "
    "CASE WHEN transaction_hour >= 23 OR transaction_hour < 5 THEN 'late_night' END, "
    "CASE WHEN is_weekend THEN 'weekend' END, CASE WHEN tx_count_30min > 5 THEN 'high_velocity' END), x -> x IS NOT NULL)"
)
score = (
    "int(is_fraud) * 50 + int(amount > 5000) * 30 + int(coalesce(payment_method = 'crypto', false)) * 20 + "
    "int(coalesce(country IN ('Nigeria', 'Russia', 'China'), false)) * 15 + "
    "int(transaction_hour >= 23 OR transaction_hour < 5) * 10 + int(is_weekend) * 5 + int(tx_count_30min > 5) * 25"
)


def score_batch(batch, number):
    batch = batch.persist()
    first = batch.agg(F.min("event_time").alias("event"), F.min("processing_time").alias("processing")).first()
    earlier = spark.read.format("delta").load(f"{base}/silver").where(
        (F.col("event_time") >= F.lit(first.event) - F.expr("INTERVAL 30 MINUTES"))
        & (F.col("processing_time") < F.lit(first.processing)))
    both = batch.withColumn("new", F.lit(True)).unionByName(earlier.withColumn("new", F.lit(False)))
    span = Window.partitionBy("user_id").orderBy(F.expr("unix_micros(event_time)")).rangeBetween(-1_800_000_000, 0)
    counted = both.withColumn("tx_count_30min", F.count("*").over(span)).where("new").drop("new")
    fraud = counted.withColumn("fraud_score", F.expr(score)).withColumn("reasons", F.expr(rules))
    fraud = fraud.withColumn("requires_review", F.expr("fraud_score >= 50"))
    writer = fraud.write.format("delta").mode("append").partitionBy("transaction_date")
    writer.option("txnAppId", "fraud").option("txnVersion", number).save(f"{base}/fraud_detection")
    batch.unpersist()


start = time.time()
fraud = stream("silver").writeStream.foreachBatch(score_batch).trigger(availableNow=True)
fraud.option("checkpointLocation", f"{base}/_checkpoints/fraud_detection").start().awaitTermination()
print(f"  fraud_detection: {time.time() - start:.1f} s", flush=True)


def distinct(column):
    return F.size(F.collect_set(column))


def windows(name, delay, window, keys, *aggregates):
    rows = stream("silver").withWatermark("event_time", delay).groupBy(window, *keys).agg(*aggregates)
    run(name, rows.withColumn("aggregation_time", F.current_timestamp()))


money = [F.count("*"), F.sum("amount"), F.avg("amount"), F.max("amount"), F.min("amount"), F.count_if("is_fraud")]
named = [column.alias(f"a{place}") for place, column in enumerate(money)]
windows("gold", "10 minutes", F.window("event_time", "10 minutes"), ["merchant", "payment_method", "country"],
        *named, F.count_if("is_high_value").alias("h"), distinct("user_id").alias("u"), distinct("device_id").alias("d"))
windows("merchant", "15 minutes", F.window("event_time", "15 minutes", "5 minutes"), ["merchant"],
        *named, F.count_if("is_high_value").alias("h"), distinct("user_id").alias("u"), distinct("device_id").alias("d"))
windows("user", "1 hour", F.window("event_time", "1 hour"), ["user_id", "country"],
        *named, distinct("merchant").alias("m"), distinct("payment_method").alias("p"), distinct("device_id").alias("d"))
windows("country", "30 minutes", F.window("event_time", "30 minutes"), ["country", "city"],
        *named, distinct("user_id").alias("u"), distinct("merchant").alias("m"))
windows("hourly_summary", "1 hour", F.window("event_time", "1 hour"), [],
        *named, distinct("user_id").alias("u"), distinct("merchant").alias("m"), distinct("device_id").alias("d"))
spark.stop()
