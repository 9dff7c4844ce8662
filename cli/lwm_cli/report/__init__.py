"""`lwm report`: one HTML file that says how a training went and what its model can do."""
