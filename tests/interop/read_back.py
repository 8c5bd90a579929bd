"""Reads the exports of a tiny run (x.csv, x.json, x.sqlite, x.tensorboard) and compares them with its tables."""
import glob
import os
import sqlite3
import struct
import sys

import pandas
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

folder = sys.argv[1]
trials = pandas.read_csv(f"{folder}/r/trials.csv", float_precision="round_trip")
epochs = pandas.read_csv(f"{folder}/r/epochs.csv", float_precision="round_trip")

csv = pandas.read_csv(f"{folder}/x.csv", parse_dates=["datetime_start"], float_precision="round_trip")
assert list(csv.number) == list(trials.trial) and list(csv.value) == list(trials.val_acc)
assert list(csv.params_backbone_lr) == list(trials.params_backbone_lr) and set(csv.state) == {"COMPLETE"}
assert (pandas.to_timedelta(csv.duration) > pandas.Timedelta(0)).all() and csv.datetime_start.notna().all()
assert list(pandas.read_json(f"{folder}/x.json", precise_float=True).value) == list(trials.val_acc)
db = sqlite3.connect(f"{folder}/x.sqlite")
assert list(pandas.read_sql("SELECT value FROM trials ORDER BY number", db).value) == list(trials.val_acc)
assert list(pandas.read_sql("SELECT val_loss FROM epochs ORDER BY number, epoch", db).val_loss) == list(epochs.val_loss)

# tensorflow.Event from its published field numbers, read by protobuf itself.
file = descriptor_pb2.FileDescriptorProto(name="event.proto", package="t", syntax="proto3")
D = descriptor_pb2.FieldDescriptorProto
fields = {"Value": [("tag", 1, D.TYPE_STRING), ("simple_value", 2, D.TYPE_FLOAT)],
          "Summary": [("value", 1, ".t.Value")],
          "Event": [("wall_time", 1, D.TYPE_DOUBLE), ("step", 2, D.TYPE_INT64), ("file_version", 3, D.TYPE_STRING),
                    ("summary", 5, ".t.Summary")]}
for name, members in fields.items():
    message = file.message_type.add(name=name)
    for field, number, kind in members:
        f = message.field.add(name=field, number=number, label=D.LABEL_REPEATED if field == "value" else D.LABEL_OPTIONAL)
        if isinstance(kind, str):
            f.type, f.type_name = D.TYPE_MESSAGE, kind
        else:
            f.type = kind
pool = descriptor_pool.DescriptorPool()
pool.Add(file)
Event = message_factory.MessageFactory(pool).GetPrototype(pool.FindMessageTypeByName("t.Event"))


def read(path):
    data = open(path, "rb").read()
    at = 0
    while at < len(data):
        n, = struct.unpack_from("<Q", data, at)
        yield Event.FromString(data[at + 12:at + 12 + n])
        at += 16 + n


for path in glob.glob(f"{folder}/x.tensorboard/*/*"):
    number = int(os.path.basename(os.path.dirname(path)).split("-")[0])
    events = list(read(path))
    assert events[0].file_version == "brain.Event:2"
    mine = epochs[epochs.trial == number]
    for event, (_, row) in zip(events[1:], mine.iterrows()):
        got = {v.tag: v.simple_value for v in event.summary.value}
        assert event.step == row.epoch and abs(got["val_loss"] - row.val_loss) < 1e-6 * row.val_loss
        assert abs(got["drift/classifier"] - row.drift_classifier) < 1e-6
    assert len(events) == 1 + len(mine)
