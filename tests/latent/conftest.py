import pytest

from ctc_core.latent import LatentMap, Reduction, fit_map
from tests.latent.small_map import SMALL, kinds_of_cells


@pytest.fixture(scope="session")
def small_map() -> LatentMap:
    train, test = kinds_of_cells(120, 1, name="train"), kinds_of_cells(90, 2, name="test")
    unlabelled = kinds_of_cells(210, 3, name="other")
    return fit_map(train, test, unlabelled, Reduction.fit(train.vectors), encoder_id="enc-1", parameters=SMALL)
