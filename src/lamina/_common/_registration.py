"""Registration under the one permanent serialisation package."""

import keras

# Part of every saved model: never change it.
register = keras.saving.register_keras_serializable(package="lamina")
