"""What every reader of jobs has in common."""

import pytest
from mintgate_facade.jobs.readers import READERS


@pytest.mark.parametrize("named", READERS, ids="-".join)
def test_no_id_leads_out_of_the_path_of_its_cancellation(named: tuple[str, str]) -> None:
    """Where a job can be cancelled, it is by a POST, and its id is one segment of the path."""
    poll = READERS[named].cancel("../files/x?y#z")
    assert poll is None or (poll.method == "POST" and "..%2Ffiles%2Fx%3Fy%23z" in poll.path)
