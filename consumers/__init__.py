"""Who reacts and answers: the partition owner in runtime/ and one room per service."""
