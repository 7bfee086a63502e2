import { Module } from '@nestjs/common';
import { AuthController } from './auth.controller.js';
import { SessionsController } from './sessions.controller.js';
import { UsersController } from './users.controller.js';

/** The routes of identity; needs IdentityModule. */
@Module({ controllers: [AuthController, SessionsController, UsersController] })
export class IdentityApiModule {}
