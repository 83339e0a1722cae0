"""The system on one machine: embedded servers, supervisor, rooms as processes, payment sandbox, demo."""
