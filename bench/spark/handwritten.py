# What a data engineer would write by hand: Structured Streaming jobs from Kafka through all tables, each with
# availableNow, one after another. It does as much of Assay's work as streaming lets it: JSON is not judged
# strictly, of a refused record one reason is told, the velocity of a user is missing (a RANGE window is refused on
# a stream), a repeat is any row with the same id within the watermark, and windows at the end of the data stay open.
# Arguments: brokers, topic, directory. Jars and memory come from spark-submit.
import sys
import time

from pyspark.sql import SparkSession, functions as F

brokers, topic, base = sys.argv[1:]
spark = SparkSession.builder.getOrCreate()
spark.sparkContext.setLogLevel("ERROR")
schema = (
    "transaction_id STRING, user_id INT, amount DECIMAL(18,2), merchant STRING, payment_method STRING, "
    "location STRING, device_id STRING, timestamp TIMESTAMP, is_fraud BOOLEAN"
)


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

parsed = stream("bronze").withColumn("j", F.from_json(F.col("value").cast("string"), schema))
parsed = parsed.select("j.*", "topic", "partition", "offset", "kafka_key", "value")
valid = (
    F.col("transaction_id").isNotNull() & F.col("user_id").isNotNull() & (F.col("amount") > 0)
    & F.col("timestamp").isNotNull()
)
silver = (
    parsed.where(valid).withColumnRenamed("timestamp", "event_time").drop("kafka_key", "value")
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
quarantine = parsed.where(~valid | valid.isNull()).select(
    "topic", "partition", "offset", "kafka_key", "value", F.expr("array('invalid')").alias("reasons"))
run("quarantine", quarantine)

rules = (
    "filter(array(CASE WHEN is_fraud THEN 'known_fraud' END, CASE WHEN amount > 5000 THEN 'high_amount' END, "
    "CASE WHEN payment_method = 'crypto' THEN 'crypto_payment' END, "
    "CASE WHEN country IN ('Nigeria', 'Russia', 'China') THEN 'high_risk_country' END, "
    "CASE WHEN transaction_hour >= 23 OR transaction_hour < 5 THEN 'late_night' END, "
    "CASE WHEN is_weekend THEN 'weekend' END), x -> x IS NOT NULL)"
)
score = (
    "int(is_fraud) * 50 + int(amount > 5000) * 30 + int(coalesce(payment_method = 'crypto', false)) * 20 + "
    "int(coalesce(country IN ('Nigeria', 'Russia', 'China'), false)) * 15 + "
    "int(transaction_hour >= 23 OR transaction_hour < 5) * 10 + int(is_weekend) * 5"
)
fraud = stream("silver").withColumn("fraud_score", F.expr(score)).withColumn("reasons", F.expr(rules))
fraud = fraud.withColumn("requires_review", F.expr("fraud_score >= 50"))
run("fraud_detection", fraud, "transaction_date")


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
