"""Evaluation: answers of local models and of servers, judged, counted with intervals, compared in pairs."""
