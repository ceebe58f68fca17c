# Transactions as confluent-kafka's own serializers write them, in three versions of a schema, with references
# and imports. Gives `result`: for each record its value in base64, its headers, and the same in JSON.
import base64
import datetime
import json
import random
import uuid
from decimal import Decimal

from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2, wrappers_pb2

client = SchemaRegistryClient({"url": inputs["url"]})
chance = random.Random(inputs["seed"])
topic = inputs["topic"]
# A subject has one type of schema.
contexts = {kind: SerializationContext(f"{topic}-{kind}", MessageField.VALUE) for kind in ["avro", "protobuf", "json-schema"]}
epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)

METHOD = {"type": "enum", "name": "Method", "namespace": "shop", "symbols": ["credit_card", "crypto"]}


def avro_schema(*fields):
    record = {"type": "record", "name": "Transaction", "namespace": "shop", "fields": list(fields)}
    return json.dumps(record)


def field(name, kind, **more):
    return {"name": name, "type": kind, **more}


AVRO = [
    avro_schema(
        field("transaction_id", {"type": "string", "logicalType": "uuid"}),
        field("user_id", "int"),
        field("amount", {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}),
        field("merchant", ["null", "string"], default=None),
        field("payment_method", "shop.Method"),
        field("timestamp", {"type": "long", "logicalType": "timestamp-millis"}),
        field("is_fraud", "boolean"),
    ),
    avro_schema(
        field("timestamp", {"type": "long", "logicalType": "timestamp-micros"}),
        field("day", {"type": "int", "logicalType": "date"}),
        field("amount", "double"),
        field("user_id", "long"),
        field("payment_method", "shop.Method"),
        field("transaction_id", "string"),
        field("location", "string", default="Lyon, France"),
        field("merchant", ["string", "null"], default=""),
        field("trace", "bytes", default=""),
    ),
    avro_schema(
        field("transaction_id", "string"),
        field("user_id", "long"),
        field("amount", {"type": "fixed", "name": "Cents", "size": 8, "logicalType": "decimal", "precision": 12, "scale": 2}),
        field("timestamp", {"type": "long", "logicalType": "timestamp-micros"}),
        field("payment_method", ["null", "shop.Method"], default=None),
    ),
]


def avro_serializers():
    client.register_schema("shop.Method", Schema(json.dumps(METHOD), "AVRO"))
    reference = SchemaReference("shop.Method", "shop.Method", 1)
    return [AvroSerializer(client, Schema(text, "AVRO", [reference])) for text in AVRO]


def proto_file(name, text_fields, version):
    file = descriptor_pb2.FileDescriptorProto(name=name, package=f"shop{version}", syntax="proto3")
    file.dependency.extend(["method.proto", "google/protobuf/timestamp.proto", "google/protobuf/wrappers.proto"])
    message = file.message_type.add(name="Transaction")
    for number, (field_name, kind, type_name) in enumerate(text_fields, start=1):
        one = message.field.add(name=field_name, number=number, label=1, type=kind)
        if type_name is not None:
            one.type_name = type_name
    return file


TEXT, INT64, DOUBLE, BOOL, INT32, MESSAGE, ENUM = 9, 3, 1, 8, 5, 11, 14
STAMP, WRAPPED = ".google.protobuf.Timestamp", ".google.protobuf.StringValue"
PROTO = [
    [("transaction_id", TEXT, None), ("user_id", INT32, None), ("amount", DOUBLE, None), ("merchant", MESSAGE, WRAPPED),
     ("timestamp", MESSAGE, STAMP), ("payment_method", ENUM, ".shop.Method"), ("is_fraud", BOOL, None)],
    [("timestamp", MESSAGE, STAMP), ("amount", DOUBLE, None), ("user_id", INT64, None), ("transaction_id", TEXT, None),
     ("location", TEXT, None), ("payment_method", ENUM, ".shop.Method")],
    [("transaction_id", TEXT, None), ("user_id", INT64, None), ("amount", DOUBLE, None), ("timestamp", MESSAGE, STAMP)],
]


def proto_serializers():
    pool = descriptor_pool.DescriptorPool()
    for known in (timestamp_pb2, wrappers_pb2):
        pool.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    method = descriptor_pb2.FileDescriptorProto(name="method.proto", package="shop", syntax="proto3")
    values = method.enum_type.add(name="Method")
    values.value.add(name="credit_card", number=0)
    values.value.add(name="crypto", number=1)
    pool.Add(method)
    found = []
    for version, fields in enumerate(PROTO):
        pool.Add(proto_file(f"transaction{version}.proto", fields, version))
        kind = message_factory.GetMessageClass(pool.FindMessageTypeByName(f"shop{version}.Transaction"))
        found.append((kind, ProtobufSerializer(kind, client, {"use.deprecated.format": False, "auto.register.schemas": True})))
    return found


DRAFT = "http://json-schema.org/draft-07/schema#"
JSON_SCHEMA = [
    {"$schema": DRAFT, "title": "Transaction", "type": "object", "properties": {"transaction_id": {"type": "string"}}},
    {"$schema": DRAFT, "title": "Transaction", "type": "object", "properties": {"amount": {"type": "number"}, "user_id": {"type": "integer"}}},
    {"$schema": DRAFT, "title": "Transaction", "type": "object", "additionalProperties": True},
]


def iso(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"


def facts_of(index):
    """What is the same in every version of a schema, and what each version has beside it."""
    micros = inputs["start_micros"] + index * 731_000
    moment = epoch + datetime.timedelta(microseconds=micros)
    cents = chance.randrange(1, 900_000)
    return {
        "transaction_id": str(uuid.UUID(int=chance.getrandbits(128))),
        "user_id": chance.randrange(1, 50),
        "cents": cents,
        "merchant": chance.choice([None, "Corner Shop", 'Größe "L"', "shop\\n"]),
        "payment_method": chance.choice(["credit_card", "crypto"]),
        "moment": moment,
        "is_fraud": chance.random() < 0.1,
    }


def json_of(facts, names):
    every = {
        "transaction_id": facts["transaction_id"],
        "user_id": facts["user_id"],
        "amount": facts["cents"] / 100,
        "merchant": facts["merchant"],
        "payment_method": facts["payment_method"],
        "location": "Lyon, France",
        "timestamp": iso(facts["moment"]),
        "is_fraud": facts["is_fraud"],
    }
    return {name: every[name] for name in names}


def avro_record(facts, version):
    text = json_of(facts, ["transaction_id", "user_id", "payment_method"])
    amount = facts["cents"] / 100 if version == 1 else Decimal(facts["cents"]).scaleb(-2)
    record = {**text, "amount": amount, "timestamp": facts["moment"]}
    names = ["transaction_id", "user_id", "amount", "timestamp", "payment_method"]
    if version == 0:
        return {**record, "merchant": facts["merchant"], "is_fraud": facts["is_fraud"]}, [*names, "merchant", "is_fraud"]
    if version == 1:
        more = {"day": facts["moment"].date(), "location": "Lyon, France", "merchant": facts["merchant"], "trace": b"\x00\xff"}
        return {**record, **more}, [*names, "merchant", "location"]
    return record, names


def proto_message(kind, facts, version):
    message = kind(transaction_id=facts["transaction_id"], user_id=facts["user_id"], amount=facts["cents"] / 100)
    message.timestamp.FromDatetime(facts["moment"].replace(tzinfo=None))
    names = ["transaction_id", "user_id", "amount", "timestamp"]
    if version == 2:
        return message, names
    message.payment_method = ["credit_card", "crypto"].index(facts["payment_method"])
    if version == 1:
        message.location = "Lyon, France"
        return message, [*names, "payment_method", "location"]
    if facts["merchant"] is not None:
        message.merchant.value = facts["merchant"]
    message.is_fraud = facts["is_fraud"]
    return message, [*names, "payment_method", "merchant", "is_fraud"]


avro, protobuf = avro_serializers(), proto_serializers()
as_json = [JSONSerializer(json.dumps(schema), client) for schema in JSON_SCHEMA]
result = []
for index in range(inputs["count"]):
    kind, version = ["avro", "protobuf", "json-schema", "json"][index % 4], (index // 4) % 3
    facts = facts_of(index)
    if kind == "avro":
        record, names = avro_record(facts, version)
        value = avro[version](record, contexts[kind])
    elif kind == "protobuf":
        message, names = proto_message(protobuf[version][0], facts, version)
        value = protobuf[version][1](message, contexts[kind])
    else:
        names = ["transaction_id", "user_id", "amount", "timestamp", "merchant", "location"]
        document = json_of(facts, names)
        value = as_json[version](document, contexts[kind]) if kind == "json-schema" else json.dumps(document).encode()
    same = json.dumps(json_of(facts, names))
    result.append({"value": base64.b64encode(value).decode(), "json": same})
