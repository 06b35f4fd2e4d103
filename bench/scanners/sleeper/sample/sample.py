planted
planted
