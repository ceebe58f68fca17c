// Files that a schema may import without bringing them along: those that come with every compiler, and those
// that Confluent's serializers take for granted.
import { toBinary } from '@bufbuild/protobuf'
import {
  FileDescriptorProtoSchema,
  file_google_protobuf_any,
  file_google_protobuf_duration,
  file_google_protobuf_empty,
  file_google_protobuf_field_mask,
  file_google_protobuf_struct,
  file_google_protobuf_timestamp,
  file_google_protobuf_wrappers,
} from '@bufbuild/protobuf/wkt'
import { type ProtoFile, readProto } from './proto-file.ts'

const texts = [
  `syntax = "proto3"; package confluent.type;
  message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }`,
  `syntax = "proto3"; package google.type;
  message Date { int32 year = 1; int32 month = 2; int32 day = 3; }
  message Decimal { string value = 1; }
  message LatLng { double latitude = 1; double longitude = 2; }
  message Money { string currency_code = 1; int64 units = 2; int32 nanos = 3; }
  message TimeOfDay { int32 hours = 1; int32 minutes = 2; int32 seconds = 3; int32 nanos = 4; }
  enum DayOfWeek { DAY_OF_WEEK_UNSPECIFIED = 0; MONDAY = 1; TUESDAY = 2; WEDNESDAY = 3; THURSDAY = 4;
    FRIDAY = 5; SATURDAY = 6; SUNDAY = 7; }`,
]

let files: readonly ProtoFile[] | null = null

export function builtInProtos(): readonly ProtoFile[] {
  files ??= [
    ...[
      file_google_protobuf_any,
      file_google_protobuf_duration,
      file_google_protobuf_empty,
      file_google_protobuf_field_mask,
      file_google_protobuf_struct,
      file_google_protobuf_timestamp,
      file_google_protobuf_wrappers,
    ].map(({ proto }) =>
      readProto(Buffer.from(toBinary(FileDescriptorProtoSchema, proto)).toString('base64')),
    ),
    ...texts.map(readProto),
  ]
  return files
}
