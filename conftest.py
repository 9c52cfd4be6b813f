"""What tests and examples in docstrings need alike."""

import pytest


@pytest.fixture(autouse=True, scope="session")
def _initialised_logger():
    """The first message sets ppsci's logger up and is printed; later ones are captured."""
    from ppsci.utils import logger  # not above: workers collect before they import Paddle

    logger.info("")
