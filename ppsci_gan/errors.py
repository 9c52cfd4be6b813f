"""The errors whose message is all that a user needs."""


class TrainingError(RuntimeError):
    """A training that cannot come to anything any more; the message says what to go on from.

    Examples:
        >>> from ppsci_gan.errors import TrainingError
        >>> raise TrainingError("generated samples are all alike.")
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.TrainingError: generated samples are all alike.
    """


class InputError(ValueError):
    """Something the user gave (a file, a key, a value) cannot be used.

    The message is all that the command line shows, so it names the file, key or value
    and says what to do about it.

    Examples:
        >>> from ppsci_gan.errors import InputError
        >>> raise InputError("DATA.data_path is not set: give the path of mnist.pkl.gz.")
        Traceback (most recent call last):
            ...
        ppsci_gan.errors.InputError: DATA.data_path is not set: give the path of mnist.pkl.gz.
    """
