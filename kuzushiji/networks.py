"""The small residual network that the project ships; notebook 03 builds it from its parts, and checks that it is this.

Importing this starts Keras and its backend, and hides that TensorFlow, past its own log level, reports a missing GPU.
"""

import logging
import os
from contextlib import contextmanager


@contextmanager
def native_messages_hidden():
    """Hide what native libraries write to file descriptor 2; Python's exceptions are raised as ever."""
    with os.fdopen(os.dup(2), "w") as kept, open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept.fileno(), 2)


os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # what TensorFlow says at its first operation
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # halves a training where it is off by default: without AVX-512
with native_messages_hidden():
    import keras
    from keras import layers
logging.getLogger("tensorflow").setLevel("ERROR")  # it warns when several small networks are used in turn

SHAPE = (28, 28, 1)
CLASSES = 10


def residual_network(widths=(32, 48, 128), classes=CLASSES):
    """A small residual network: a stem, two stages with one residual block each, global max pooling.

    Residual blocks as in He and others 2016 ("Deep residual learning for image recognition"), batch normalisation
    after every convolution. Stem and stages have `widths` channels, on 28x28, 14x14 and 7x7 pixels. Input float32 [n,
    28, 28, 1] in 0..1, output logits [n, classes] in the order of the class map. Not compiled.
    """
    inputs = keras.Input(SHAPE)
    hidden = convolution(inputs, widths[0], pool=2)
    hidden = residual_block(convolution(hidden, widths[1]))
    hidden = layers.MaxPooling2D(2)(hidden)
    hidden = residual_block(convolution(hidden, widths[2]))
    hidden = layers.GlobalMaxPooling2D()(hidden)
    logits = layers.Dense(classes, dtype="float32")(hidden)  # in 32 bits also where the rest is in 16
    return keras.Model(inputs, logits, name="residual")


def convolution(hidden, filters, pool=1, activate=True):
    """3x3 convolution, max pooling, batch normalisation, ReLU: [n, h, w, c] to [n, h / pool, w / pool, filters]."""
    hidden = layers.Conv2D(filters, 3, padding="same", use_bias=False)(hidden)
    hidden = layers.MaxPooling2D(pool)(hidden) if pool > 1 else hidden  # first, for less work after it
    hidden = layers.BatchNormalization()(hidden)
    return layers.ReLU()(hidden) if activate else hidden


def residual_block(hidden):
    """Two convolutions whose result is added to their input, [n, h, w, c] to the same shape."""
    filters = hidden.shape[-1]
    change = convolution(convolution(hidden, filters), filters, activate=False)
    return layers.ReLU()(layers.Add()([hidden, change]))
