"""What a recipe is going to take: time, disk, memory, network and cost per stage."""
