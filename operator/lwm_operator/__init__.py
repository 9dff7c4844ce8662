"""The operator: watches LWMTraining resources and runs their stages as gangs of pods."""
